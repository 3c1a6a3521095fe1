//! EKS Pod Identity: an agent on the node exchanges the pod's token for credentials.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::{DateTime, Format};
use provider_class::AddressPreference;
use provider_class::network::AgentUri;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::token;
use crate::aws::outside::{PAGE, Sent};
use crate::aws::retry::{Attempt, Backoff, retry};
use crate::aws::{Cause, Deadline, Failure, HttpClient, is_too_long, refusals};
use crate::environment::Environment;
use crate::service::Service;

/// The agent runs on the node, so an address that does not respond within this time has no agent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The agent may still be starting when the first pods of a node start, so attempts last about ten seconds.
const BACKOFF: Backoff = Backoff {
    attempts: 6,
    first_pause: Duration::from_millis(500),
};

const NO_TOKEN_FILE: &str = "environment variable AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is not set: the pod's token is required, and no other credentials are used";
const NO_HEADER: &str = "the token file (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE) is not valid in an HTTP header: it must contain one token, on one line";

/// Asks the agent for credentials.
pub(super) async fn ask(
    environment: &Environment,
    address: AddressPreference,
    deadline: Deadline,
) -> Result<Credentials, Failure> {
    let service = Service::PodIdentityAgent;
    let file = environment
        .container_token_file
        .as_ref()
        .ok_or_else(|| Failure::setup(service, NO_TOKEN_FILE))?;
    let uris = match (&environment.container_credentials_uri, address) {
        (Some(uri), _) => vec![uri.as_str()],
        (None, AddressPreference::Auto) => vec![AgentUri::IPV4, AgentUri::IPV6],
        (None, AddressPreference::Ipv4) => vec![AgentUri::IPV4],
        (None, AddressPreference::Ipv6) => vec![AgentUri::IPV6],
    };
    let token = token::read("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
        .map_err(|reason| Failure::setup(service, reason))?;
    let attempt = async || ask_each(&uris, &token).await;
    let credentials = retry(service, BACKOFF, deadline, attempt).await;
    credentials.map_err(failure)
}

/// A failure of the agent, which has no region.
pub(super) fn failure(cause: Cause) -> Failure {
    Failure {
        service: Service::PodIdentityAgent,
        region: None,
        cause,
    }
}

/// Asks one address after the other until one responds.
async fn ask_each(uris: &[&str], token: &str) -> Result<Credentials, Attempt> {
    let mut silent = Vec::new();
    for uri in uris {
        match ask_once(uri, token).await {
            Err(Attempt {
                cause: Cause::NoResponse(reason),
                ..
            }) => silent.push(reason),
            result => return result,
        }
    }
    Err(Attempt::again(Cause::NoResponse(silent.join("; "))))
}

async fn ask_once(uri: &str, token: &str) -> Result<Credentials, Attempt> {
    let client = HttpClient::without_proxy(CONNECT_TIMEOUT)
        .map_err(|error| Cause::Setup(error.to_string()))?;
    let mut request = HttpRequest::empty();
    request.set_uri(uri).map_err(|_| Cause::NotSent)?;
    let header = request
        .headers_mut()
        .try_insert("authorization", token.to_owned());
    // The error would quote the token.
    header.map_err(|_| Cause::Setup(NO_HEADER.to_owned()))?;
    let response = tokio::time::timeout(RESPONSE_TIMEOUT, client.call(request))
        .await
        .map_err(|_| too_slow(uri))?
        .map_err(|error| Cause::of_connection(&error).unwrap_or(Cause::NotSent))?;
    let status = response.status();
    let sent = Sent::with(&response);
    let body = ByteStream::new(response.into_body()).collect();
    let body = tokio::time::timeout(RESPONSE_TIMEOUT, body)
        .await
        .map_err(|_| too_slow(uri))?
        .map_err(|error| {
            if is_too_long(&error) {
                Cause::too_long()
            } else {
                Cause::NoResponse(format!("from {uri}: the response was cut off"))
            }
        })?;
    let body = Zeroizing::new(body.to_vec());
    if !status.is_success() {
        return Err(refused(status.as_u16(), &body, &sent));
    }
    let credentials: AgentCredentials = serde_json::from_slice(&body)
        .map_err(|_| Cause::Malformed("it is not in the agent's format".to_owned()))?;
    let expiry = DateTime::from_str(&credentials.expiration, Format::DateTimeWithOffset).ok();
    let expiry = expiry.and_then(|time| SystemTime::try_from(time).ok());
    Ok(Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.token),
        expiry,
        "EksPodIdentity",
    ))
}

fn too_slow(uri: &str) -> Cause {
    let seconds = RESPONSE_TIMEOUT.as_secs();
    Cause::NoResponse(format!("from {uri}: no response within {seconds} s"))
}

fn refused(status: u16, body: &[u8], sent: &Sent) -> Attempt {
    let cause = Cause::Refused {
        code: sent.code_or_status(None, status),
        message: message(body, sent),
    };
    Attempt {
        retry: refusals::retry(Service::PodIdentityAgent, &cause, status),
        cause,
        pause: None,
    }
}

/// The agent's reason for a refusal: text, or JSON with a message.
fn message(body: &[u8], sent: &Sent) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => sent.message(&refusal.message),
        Err(_) if body.trim_ascii_start().starts_with(b"<") => PAGE.to_owned(),
        Err(_) => sent.message(&String::from_utf8_lossy(body)),
    }
}

/// The agent's response.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentCredentials {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::retry::Retry;

    /// A server that gives every request the same response.
    async fn agent(answer: &'static str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/v1/credentials", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        uri
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_leads_to_the_next_one() {
        let body = r#"{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2030-01-01T00:00:00Z"}"#;
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let alive = agent(Box::leak(answer.into_boxed_str())).await;
        let credentials = ask_each(&["http://127.0.0.1:1/", &alive], "token")
            .await
            .unwrap();
        assert_eq!(credentials.access_key_id(), "A");
        assert!(credentials.expiry().is_some());
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let refusing = agent("HTTP/1.1 403 Forbidden\r\ncontent-length: 22\r\nconnection: close\r\n\r\n{\"message\":\"not here\"}").await;
        let attempt = ask_each(&[&refusing, "http://127.0.0.1:1/"], "token")
            .await
            .unwrap_err();
        assert_eq!(attempt.retry, Retry::Never);
        assert_eq!(
            attempt.cause,
            Cause::Refused {
                code: "HTTP status 403".to_owned(),
                message: "not here".to_owned()
            }
        );
    }
}
