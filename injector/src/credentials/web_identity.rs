//! IAM roles for service accounts: the pod's web identity token, exchanged at the regional STS.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>.

use aws_credential_types::Credentials;
use provider_class::Region;

use super::token;
use crate::aws::{Cause, Clients, Deadline, Failure, send};
use crate::service::Service;

/// Exchanges the token for credentials of the pod's role.
pub(super) async fn exchange(
    clients: &Clients,
    region: &Region,
    deadline: Deadline,
) -> Result<Credentials, Failure> {
    let environment = clients.environment();
    let role = environment
        .role_arn
        .as_ref()
        .ok_or_else(|| is_unset("AWS_ROLE_ARN"))?;
    let file = environment
        .web_identity_token_file
        .as_ref()
        .ok_or_else(|| is_unset("AWS_WEB_IDENTITY_TOKEN_FILE"))?;
    let token = token::read("AWS_WEB_IDENTITY_TOKEN_FILE", file)
        .map_err(|reason| Failure::setup(Service::Sts, reason))?;
    let client = clients.sts(region, None);
    let session_name = environment.session_name.as_str();
    let answer = send(clients, Service::Sts, region, deadline, async || {
        let call = client.assume_role_with_web_identity();
        call.role_arn(role.as_str())
            .role_session_name(session_name)
            .web_identity_token(token.as_str())
            .send()
            .await
    });
    let answer = answer.await?;
    from_sts(region, answer.credentials)
}

fn is_unset(variable: &str) -> Failure {
    let reason = format!(
        "environment variable {variable} is not set: the pod's IAM role and token are required, and no other credentials are used"
    );
    Failure::setup(Service::Sts, reason)
}

/// STS's credentials in the SDK's form.
pub(super) fn from_sts(
    region: &Region,
    credentials: Option<aws_sdk_sts::types::Credentials>,
) -> Result<Credentials, Failure> {
    let credentials = credentials.ok_or_else(|| Failure {
        service: Service::Sts,
        region: Some(region.clone()),
        cause: Cause::Malformed("it contains no credentials".to_owned()),
    })?;
    let expiry = std::time::SystemTime::try_from(credentials.expiration).ok();
    Ok(Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.session_token),
        expiry,
        "STS",
    ))
}
