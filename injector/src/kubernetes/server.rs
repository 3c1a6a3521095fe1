//! Requests to the API server, at the address that the webhook sets and with the pod's own token.

use std::path::PathBuf;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use provider_class::{Namespace, ObjectName};
use zeroize::Zeroizing;

use super::status::refused;
use crate::aws::outside::Sent;
use crate::aws::retry::Attempt;
use crate::aws::{Cause, HttpClient, is_too_long};
use crate::credentials::token;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const OBJECT: &str = "application/json";
const METADATA: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// A Secret has 1 MiB at most, and its metadata about as much; base64 takes a third more.
const LONGEST_RESPONSE: usize = 4 * 1024 * 1024;

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

/// The Secret as it is after an apply.
pub(super) struct Answer {
    /// Did it not exist before?
    pub(super) is_new: bool,
    /// As JSON.
    pub(super) body: Zeroizing<Vec<u8>>,
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
    /// Sends it once.
    pub(super) async fn send(&self, apply: Apply<'_>) -> Result<Answer, Attempt> {
        let dry_run = if apply.dry_run { "&dryRun=All" } else { "" };
        // Of what was written, nothing is read.
        let accepted = if apply.dry_run { OBJECT } else { METADATA };
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
            ("accept", accepted.to_owned()),
        ] {
            let header = request.headers_mut().try_insert(name, value);
            // The error would quote the token.
            header.map_err(|_| Cause::NotSent)?;
        }
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, self.client.call(request))
            .await
            .map_err(|_| too_slow())?
            .map_err(|error| {
                Attempt::again(Cause::of_connection(&error).unwrap_or(Cause::NotSent))
            })?;
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
                    Attempt::again(Cause::NoResponse("the response was cut off".to_owned()))
                }
            })?;
        let body = Zeroizing::new(body.to_vec());
        if !status.is_success() {
            return Err(refused(status.as_u16(), &body, &sent));
        }
        Ok(Answer {
            is_new: status.as_u16() == 201,
            body,
        })
    }
}

fn too_slow() -> Attempt {
    let seconds = RESPONSE_TIMEOUT.as_secs();
    Attempt::again(Cause::NoResponse(format!(
        "from the API server: no response within {seconds} s"
    )))
}
