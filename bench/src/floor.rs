//! The floor for fetching: the same calls over the same TLS library and as many connections, with requests that are not
//! signed and responses that are not parsed. What an injector takes beyond it is its own work and the SDK's.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, bail, ensure};
use aws_secrets_injector::fetch::SECRETS_AT_ONCE;
use futures::future::try_join_all;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::class::{REGION, secret};
use crate::load::connector;

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of secrets.
    #[arg(long)]
    secrets: usize,
}

/// Fetches the secrets and drops them.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(fetch(args.secrets))
}

async fn fetch(secrets: usize) -> anyhow::Result<()> {
    let tls = stand_in_connector()?;
    let sts = Server::read("AWS_ENDPOINT_URL_STS", &tls)?;
    let secrets_manager = Server::read("AWS_ENDPOINT_URL_SECRETS_MANAGER", &tls)?;
    // As in the injector, handshakes happen while STS answers.
    let connections: Vec<_> = (0..secrets.min(SECRETS_AT_ONCE))
        .map(|_| tokio::spawn(secrets_manager.clone().connect()))
        .collect();
    let answer = call(&mut sts.clone().connect().await?, &assume_role(&sts)?).await?;
    let key = answer
        .split_once("<AccessKeyId>")
        .and_then(|(_, rest)| rest.split_once("</AccessKeyId>"));
    let (key, _) = key.context("STS gave no access key")?;
    let next = AtomicUsize::new(0);
    let server = &secrets_manager;
    try_join_all(connections.into_iter().map(async |connection| {
        let mut connection = connection.await??;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= secrets {
                return anyhow::Ok(());
            }
            call(&mut connection, &get_secret_value(server, key, index)).await?;
        }
    }))
    .await?;
    Ok(())
}

/// Trusts the stand-in's certificates only.
fn stand_in_connector() -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(variable("AWS_CA_BUNDLE")?)? {
        roots.add(certificate?)?;
    }
    connector(roots)
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("environment variable {name}"))
}

/// A service of AWS.
#[derive(Clone)]
struct Server {
    /// Host and port.
    authority: String,
    tls: TlsConnector,
}

impl Server {
    fn read(name: &str, tls: &TlsConnector) -> anyhow::Result<Self> {
        let url = variable(name)?;
        let authority = url.strip_prefix("https://").context("not an HTTPS URL")?;
        Ok(Self {
            authority: authority.to_owned(),
            tls: tls.clone(),
        })
    }

    async fn connect(self) -> anyhow::Result<TlsStream<TcpStream>> {
        let (host, _) = self.authority.split_once(':').context("no port")?;
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned())?;
        Ok(self.tls.connect(name, stream).await?)
    }

    fn request(&self, headers: &str, body: &str) -> String {
        let (authority, length) = (&self.authority, body.len());
        format!(
            "POST / HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {length}\r\n{headers}\r\n\r\n{body}"
        )
    }
}

fn assume_role(sts: &Server) -> anyhow::Result<String> {
    let token = std::fs::read_to_string(variable("AWS_WEB_IDENTITY_TOKEN_FILE")?)?;
    let role = variable("AWS_ROLE_ARN")?;
    let body = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}&RoleSessionName=floor&WebIdentityToken={token}"
    );
    Ok(sts.request("content-type: application/x-www-form-urlencoded", &body))
}

fn get_secret_value(server: &Server, key: &str, index: usize) -> String {
    let body = format!(r#"{{"SecretId":"{}"}}"#, secret(index));
    // moto reads the account from the access key and verifies no signature.
    let headers = format!(
        "content-type: application/x-amz-json-1.1\r\nx-amz-target: secretsmanager.GetSecretValue\r\nauthorization: \
         AWS4-HMAC-SHA256 Credential={key}/20260101/{REGION}/secretsmanager/aws4_request, SignedHeaders=host, Signature=0"
    );
    server.request(&headers, &body)
}

/// Sends a request and returns its response.
async fn call(connection: &mut TlsStream<TcpStream>, request: &str) -> anyhow::Result<String> {
    connection.write_all(request.as_bytes()).await?;
    connection.flush().await?;
    let mut response = Vec::with_capacity(4096);
    loop {
        if connection.read_buf(&mut response).await? == 0 {
            bail!("the connection was closed before the response");
        }
        if let Some(length) = expected_length(&response)
            && response.len() >= length
        {
            let response = String::from_utf8(response)?;
            ensure!(response.starts_with("HTTP/1.1 200"), "{response}");
            return Ok(response);
        }
    }
}

/// Length of a response with its headers, once they are there.
fn expected_length(response: &[u8]) -> Option<usize> {
    let (headers, _) = std::str::from_utf8(response).ok()?.split_once("\r\n\r\n")?;
    let length = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.eq_ignore_ascii_case("content-length")).then(|| value.trim().parse::<usize>())
    });
    Some(headers.len() + 4 + length?.ok()?)
}
