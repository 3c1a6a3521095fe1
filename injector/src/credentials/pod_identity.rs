//! EKS Pod Identity: an agent on the node exchanges the pod's token for credentials.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::date_time::{DateTime, Format};
use provider_class::AddressPreference;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::aws::{Cause, Deadline, Failure, HttpClient, Service, within};
use crate::credentials::read_token;
use crate::environment::Environment;

const IPV4: &str = "http://169.254.170.23/v1/credentials";
const IPV6: &str = "http://[fd00:ec2::23]/v1/credentials";

/// The agent is on the node: an address that does not answer in this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The agent answers 5xx and 429 while it starts, or while EKS throttles it.
const ATTEMPTS: u32 = 6;

/// Asks the agent for credentials.
pub(super) async fn ask(
    environment: &Environment,
    address: AddressPreference,
    deadline: Deadline,
) -> Result<Credentials, Failure> {
    let setup = |reason: String| Failure::setup(Service::PodIdentityAgent, reason);
    let unset = "the environment variable AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is not set: it names the pod's token, and no other credentials are used";
    let file = environment
        .container_token_file
        .as_ref()
        .ok_or_else(|| setup(unset.to_owned()))?;
    let uris = match (&environment.container_credentials_uri, address) {
        (Some(uri), _) => vec![checked(uri).map_err(setup)?],
        (None, AddressPreference::Auto) => vec![IPV4, IPV6],
        (None, AddressPreference::Ipv4) => vec![IPV4],
        (None, AddressPreference::Ipv6) => vec![IPV6],
    };
    let token = read_token("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file).map_err(setup)?;
    let fail = |cause| Failure {
        service: Service::PodIdentityAgent,
        region: None,
        cause,
    };
    within(deadline, ask_each(&uris, &token))
        .await
        .map_err(fail)
}

/// The token goes nowhere but to the node's agent, or over TLS.
///
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
fn checked(uri: &str) -> Result<&str, String> {
    let refuse = || {
        format!(
            "the environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI is {uri:?}: only https, a loopback address, and the agent's own (169.254.170.23, [fd00:ec2::23]) are allowed, because the pod's token is sent there"
        )
    };
    if uri.starts_with("https://") {
        return Ok(uri);
    }
    let authority = uri
        .strip_prefix("http://")
        .and_then(|rest| rest.split(['/', '?']).next())
        .ok_or_else(refuse)?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let allowed = host.parse::<std::net::IpAddr>().is_ok_and(|address| {
        address.is_loopback()
            || ["169.254.170.23", "fd00:ec2::23"]
                .iter()
                .any(|agent| agent.parse() == Ok(address))
    });
    if allowed { Ok(uri) } else { Err(refuse()) }
}

/// Asks one address after the other until one answers, and again for as long as the answer may get better.
async fn ask_each(uris: &[&str], token: &str) -> Result<Credentials, Cause> {
    let mut last = Cause::NoAnswer(String::new());
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
        }
        let mut silent = Vec::new();
        for uri in uris {
            match ask_once(uri, token).await {
                Ok(credentials) => return Ok(credentials),
                Err(Cause::NoAnswer(reason)) => silent.push(format!("{uri}: {reason}")),
                Err(cause) if may_pass(&cause) => {
                    last = cause;
                    break;
                }
                Err(cause) => return Err(cause),
            }
        }
        if silent.len() == uris.len() {
            last = Cause::NoAnswer(silent.join("; "));
        }
    }
    Err(last)
}

fn may_pass(cause: &Cause) -> bool {
    cause.is_throttling()
        || matches!(cause, Cause::Refused { code, .. } if code.starts_with("HTTP status 5"))
}

async fn ask_once(uri: &str, token: &str) -> Result<Credentials, Cause> {
    let client = HttpClient::without_proxy(CONNECT_TIMEOUT)
        .map_err(|error| Cause::Setup(error.to_string()))?;
    let mut request = HttpRequest::empty();
    let setup = |error: &dyn std::error::Error| Cause::Setup(format!("{uri}: {error}"));
    request.set_uri(uri).map_err(|error| setup(&error))?;
    request
        .headers_mut()
        .try_insert("authorization", token.to_owned())
        .map_err(|error| setup(&error))?;
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, client.call(request))
        .await
        .map_err(|_| Cause::NoAnswer(format!("within {} s", ANSWER_TIMEOUT.as_secs())))?
        .map_err(|error| Cause::NoAnswer(crate::aws::chain(&error)))?;
    let status = answer.status();
    let body = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body())
        .collect()
        .await;
    let body = Zeroizing::new(
        body.map_err(|error| Cause::NoAnswer(crate::aws::chain(&error)))?
            .to_vec(),
    );
    if !status.is_success() {
        let code = format!("HTTP status {}", status.as_u16());
        return Err(Cause::Refused {
            code,
            message: message(&body),
        });
    }
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|_| Cause::Malformed("it is not of the agent's form".to_owned()))?;
    let expiry = DateTime::from_str(&answer.expiration, Format::DateTimeWithOffset).ok();
    let expiry = expiry.and_then(|time| SystemTime::try_from(time).ok());
    Ok(Credentials::new(
        answer.access_key_id,
        answer.secret_access_key,
        Some(answer.token),
        expiry,
        "EksPodIdentity",
    ))
}

/// What the agent says when it refuses: text, or JSON with a message.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let text = || {
        String::from_utf8_lossy(body)
            .trim()
            .chars()
            .take(300)
            .collect()
    };
    serde_json::from_slice::<Refusal>(body).map_or_else(|_| text(), |refusal| refusal.message)
}

/// The agent's answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_the_agent_or_over_tls_alone() {
        for good in [
            IPV4,
            IPV6,
            "https://example.com/x",
            "http://127.0.0.1:8080/v1",
            "http://[::1]/",
            "http://169.254.170.23",
        ] {
            assert_eq!(checked(good), Ok(good));
        }
        for bad in [
            "http://169.254.169.254/",
            "http://example.com/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "ftp://127.0.0.1/",
            "http://10.0.0.1/",
            "http://user@127.0.0.1:80/",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }

    /// Answers every request with one answer.
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
        let cause = ask_each(&[&refusing, "http://127.0.0.1:1/"], "token")
            .await
            .unwrap_err();
        assert_eq!(
            cause,
            Cause::Refused {
                code: "HTTP status 403".to_owned(),
                message: "not here".to_owned()
            }
        );
    }
}
