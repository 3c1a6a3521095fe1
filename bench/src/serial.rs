//! The peer of a fetch: the same secrets with the same SDK, one after the other, as a script or an app would fetch them.

use anyhow::Context as _;
use aws_credential_types::Credentials;
use aws_secrets_injector::aws::{Clients, HttpClient};
use aws_secrets_injector::environment::Environment;
use e2e::stand_in::REGION;
use provider_class::Region;

use crate::stage::secret;

/// Fetches this number of secrets and writes them to files in the current directory.
pub(crate) async fn fetch(secrets: usize) -> anyhow::Result<()> {
    let environment = Environment::read(|name| std::env::var(name).ok())?;
    let region: Region = REGION.parse().map_err(anyhow::Error::msg)?;
    let http = HttpClient::new(&environment)?;
    let token = environment.web_identity_token_file.clone();
    let token = std::fs::read_to_string(token.context("no token")?)?;
    let role = environment.role_arn.clone().context("no role")?;
    let clients = Clients::new(http, environment);
    let answer = clients
        .sts(&region, None)
        .assume_role_with_web_identity()
        .role_arn(role.as_str())
        .role_session_name("serial")
        .web_identity_token(token)
        .send()
        .await?;
    let given = answer.credentials.context("no credentials")?;
    let credentials = Credentials::new(
        given.access_key_id,
        given.secret_access_key,
        Some(given.session_token),
        None,
        "STS",
    );
    let client = clients.secrets_manager(&region, &credentials);
    for index in 0..secrets {
        let name = secret(index);
        let value = client.get_secret_value().secret_id(&name).send().await?;
        let text = value.secret_string.unwrap_or_default();
        std::fs::write(name.replace('/', "_"), text)?;
    }
    Ok(())
}
