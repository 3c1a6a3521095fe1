//! The floor of a fetch: the same calls with the same TLS library and as many connections, with requests that are not signed
//! and responses that are not parsed. What the injector takes beyond it is its own work and the SDK's.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use aws_secrets_injector::fetch::SECRETS_AT_ONCE;
use e2e::stand_in::REGION;
use futures::future::try_join_all;

use crate::http::{Connection, Server};
use crate::stage::secret;

/// Fetches this number of secrets and drops them.
pub(crate) async fn fetch(secrets: usize) -> anyhow::Result<()> {
    let (sts, secrets_manager) = (server("STS")?, server("SECRETS_MANAGER")?);
    // As in the injector, handshakes happen while STS answers.
    let connections: Vec<_> = (0..secrets.min(SECRETS_AT_ONCE))
        .map(|_| {
            let server = secrets_manager.clone();
            tokio::spawn(async move { server.connect().await })
        })
        .collect();
    let key = assume_role(&mut sts.connect().await?).await?;
    // moto reads the account from the access key and verifies no signature.
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{REGION}/secretsmanager/aws4_request, SignedHeaders=host, Signature=0"
    );
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "secretsmanager.GetSecretValue"),
        ("authorization", &authorization),
    ];
    let next = AtomicUsize::new(0);
    try_join_all(connections.into_iter().map(async |connection| {
        let mut connection = connection.await??;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= secrets {
                return anyhow::Ok(());
            }
            let body = format!(r#"{{"SecretId":"{}"}}"#, secret(index));
            connection.post("/", &headers, body.into()).await?;
        }
    }))
    .await?;
    Ok(())
}

/// A service of the stand-in, and no CA but the stand-in's.
fn server(service: &str) -> anyhow::Result<Server> {
    let url = variable(&format!("AWS_ENDPOINT_URL_{service}"))?;
    let address = url.strip_prefix("https://").context("not an HTTPS URL")?;
    let (name, _) = address.split_once(':').context("no port")?;
    Server::new(address, name, &std::fs::read(variable("AWS_CA_BUNDLE")?)?)
}

/// The access key that STS gives.
async fn assume_role(sts: &mut Connection) -> anyhow::Result<String> {
    let token = std::fs::read_to_string(variable("AWS_WEB_IDENTITY_TOKEN_FILE")?)?;
    let role = variable("AWS_ROLE_ARN")?;
    let body = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}&RoleSessionName=floor&WebIdentityToken={token}"
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = sts.post("/", &headers, body.into()).await?;
    let answer = String::from_utf8_lossy(&answer);
    let key = answer
        .split_once("<AccessKeyId>")
        .and_then(|(_, rest)| rest.split_once("</AccessKeyId>"));
    Ok(key.context("STS gave no access key")?.0.to_owned())
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("environment variable {name}"))
}
