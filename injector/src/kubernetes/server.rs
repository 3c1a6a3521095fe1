//! Requests to the API server, at the address that the webhook sets and with the pod's own token.

use std::path::PathBuf;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use provider_class::{Namespace, ObjectName};
use zeroize::Zeroizing;

use super::status::{Object, refused};
use crate::aws::outside::Sent;
use crate::aws::retry::{Attempt, Backoff, Retry, retry};
use crate::aws::{Cause, Deadline, HttpClient, is_too_long};
use crate::credentials::token;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// An API server that restarts is back within seconds.
const BACKOFF: Backoff = Backoff {
    attempts: 6,
    first_pause: Duration::from_millis(200),
};
/// An answer is metadata; an API server that does not know that form sends the whole Secret, of 1 MiB in base64 at most.
const LONGEST_RESPONSE: usize = 4 * 1024 * 1024;
const ACCEPTED: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// The API server, for the Secrets of one namespace.
#[derive(Debug)]
pub(super) struct ApiServer {
    secrets: String,
    token_file: PathBuf,
    ca_file: PathBuf,
}

/// A server-side apply.
pub(super) struct Apply<'a> {
    pub(super) secret: &'a ObjectName,
    pub(super) body: Zeroizing<Vec<u8>>,
    /// Who manages the fields in the body.
    pub(super) manager: &'a str,
    /// Only to see what would happen.
    pub(super) dry_run: bool,
}

impl ApiServer {
    pub(super) fn new(
        host: &str,
        port: &str,
        namespace: &Namespace,
        token_file: PathBuf,
        ca_file: PathBuf,
    ) -> Self {
        // An IPv6 address.
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Self {
            secrets: format!("https://{host}:{port}/api/v1/namespaces/{namespace}/secrets"),
            token_file,
            ca_file,
        }
    }

    /// For the requests of one Secret: both files may be renewed at any time.
    pub(super) fn session(&self) -> Result<Session<'_>, Cause> {
        let client = HttpClient::for_cluster(&self.ca_file, CONNECT_TIMEOUT)
            .map_err(|error| Cause::Setup(error.to_string()))?
            .with_longest_response(LONGEST_RESPONSE);
        let token = token::read("SECRET_SYNC", &self.token_file).map_err(Cause::Setup)?;
        Ok(Session {
            secrets: &self.secrets,
            client,
            token,
        })
    }
}

/// A connection to the API server, and the token.
pub(super) struct Session<'a> {
    secrets: &'a str,
    client: HttpClient,
    token: Zeroizing<String>,
}

impl Session<'_> {
    /// Sends it until the API server decides. Returns the Secret's metadata afterwards.
    pub(super) async fn send(&self, apply: Apply<'_>, deadline: Deadline) -> Result<Object, Cause> {
        let what = format!("Secret {:?}", apply.secret);
        let attempt = async || self.send_once(&apply).await;
        retry(what, BACKOFF, deadline, attempt).await
    }

    async fn send_once(&self, apply: &Apply<'_>) -> Result<Object, Attempt> {
        let dry_run = if apply.dry_run { "&dryRun=All" } else { "" };
        let uri = format!(
            "{}/{}?fieldManager={}{dry_run}",
            self.secrets, apply.secret, apply.manager
        );
        let mut request = HttpRequest::new(SdkBody::from(apply.body.as_slice()));
        request.set_method("PATCH").map_err(|_| Cause::NotSent)?;
        request.set_uri(uri).map_err(|_| Cause::NotSent)?;
        for (name, value) in [
            ("authorization", format!("Bearer {}", self.token.as_str())),
            ("content-type", "application/apply-patch+yaml".to_owned()),
            ("accept", ACCEPTED.to_owned()),
        ] {
            let header = request.headers_mut().try_insert(name, value);
            // The error would quote the token.
            header.map_err(|_| Cause::NotSent)?;
        }
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, self.client.call(request))
            .await
            .map_err(|_| too_slow())?
            .map_err(|error| again(Cause::of_connection(&error).unwrap_or(Cause::NotSent)))?;
        let status = response.status();
        let sent = Sent::with(&response);
        let body = ByteStream::new(response.into_body()).collect();
        let body = tokio::time::timeout(RESPONSE_TIMEOUT, body)
            .await
            .map_err(|_| too_slow())?
            .map_err(|error| {
                if is_too_long(&error) {
                    Attempt::from(Cause::too_long())
                } else {
                    again(Cause::NoResponse("the response was cut off".to_owned()))
                }
            })?;
        let body = Zeroizing::new(body.to_vec());
        if !status.is_success() {
            return Err(refused(status.as_u16(), &body, &sent));
        }
        let mut object: Object = serde_json::from_slice(&body)
            .map_err(|_| Cause::Malformed("it is not an object of Kubernetes".to_owned()))?;
        object.is_new = status.as_u16() == 201;
        Ok(object)
    }
}

fn again(cause: Cause) -> Attempt {
    Attempt {
        cause,
        retry: Retry::Few,
        pause: None,
    }
}

fn too_slow() -> Attempt {
    let seconds = RESPONSE_TIMEOUT.as_secs();
    again(Cause::NoResponse(format!(
        "from the API server: no response within {seconds} s"
    )))
}
