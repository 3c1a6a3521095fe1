//! The baseline for fetching: the same secrets with the same SDK, one after the other.

use std::path::PathBuf;

use anyhow::Context as _;
use aws_secrets_injector::aws::{Clients, HttpClient};
use aws_secrets_injector::environment::Environment;
use provider_class::Region;

use crate::class::{REGION, secret};

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of secrets.
    #[arg(long)]
    secrets: usize,
    /// The directory for their files.
    #[arg(long)]
    mount_path: PathBuf,
}

/// Fetches the secrets and writes them to files.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(fetch(args))
}

async fn fetch(args: &Args) -> anyhow::Result<()> {
    let environment = Environment::read(|name| std::env::var(name).ok())?;
    let region: Region = REGION.parse().map_err(anyhow::Error::msg)?;
    let http = HttpClient::new(&environment)?;
    let token_file = environment
        .web_identity_token_file
        .clone()
        .context("no token")?;
    let role = environment.role_arn.clone().context("no role")?;
    let clients = Clients::new(http, environment);
    let answer = clients
        .sts(&region, None)
        .assume_role_with_web_identity()
        .role_arn(role.as_str())
        .role_session_name("serial")
        .web_identity_token(std::fs::read_to_string(token_file)?)
        .send()
        .await?;
    let given = answer.credentials.context("no credentials")?;
    let credentials = aws_credential_types::Credentials::new(
        given.access_key_id,
        given.secret_access_key,
        Some(given.session_token),
        None,
        "STS",
    );
    let client = clients.secrets_manager(&region, &credentials);
    std::fs::create_dir_all(&args.mount_path)?;
    for index in 0..args.secrets {
        let name = secret(index);
        let value = client.get_secret_value().secret_id(&name).send().await?;
        let file = args.mount_path.join(name.replace('/', "_"));
        std::fs::write(file, value.secret_string.unwrap_or_default())?;
    }
    Ok(())
}
