//! IAM roles for service accounts: the pod's web identity token, exchanged at the regional STS.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>.

use aws_credential_types::Credentials;
use provider_class::Region;

use crate::aws::{Cause, Clients, Deadline, Failure, Service, send};
use crate::credentials::read_token;

/// Exchanges the token for credentials of the pod's role.
pub(super) async fn exchange(
    clients: &Clients,
    region: &Region,
    deadline: Deadline,
) -> Result<Credentials, Failure> {
    let environment = clients.environment();
    let setup = |reason: String| Failure::setup(Service::Sts, reason);
    let unset = |variable: &str| {
        setup(format!(
            "the environment variable {variable} is not set: it names the pod's IAM role and token, and no other credentials are used"
        ))
    };
    let role = environment
        .role_arn
        .as_ref()
        .ok_or_else(|| unset("AWS_ROLE_ARN"))?;
    let file = environment
        .web_identity_token_file
        .as_ref()
        .ok_or_else(|| unset("AWS_WEB_IDENTITY_TOKEN_FILE"))?;
    let token = read_token("AWS_WEB_IDENTITY_TOKEN_FILE", file).map_err(setup)?;
    let client = clients.sts(region, None);
    let session_name = environment.session_name.as_str();
    let answer = send(Service::Sts, region, deadline, |last| {
        let call = client.assume_role_with_web_identity();
        let call = call
            .role_arn(role.as_str())
            .role_session_name(session_name)
            .web_identity_token(token.as_str());
        call.customize().interceptor(last).send()
    });
    let answer = answer.await?;
    from_sts(region, answer.credentials)
}

/// STS's credentials in the SDK's form.
pub(super) fn from_sts(
    region: &Region,
    credentials: Option<aws_sdk_sts::types::Credentials>,
) -> Result<Credentials, Failure> {
    let credentials = credentials.ok_or_else(|| Failure {
        service: Service::Sts,
        region: Some(region.clone()),
        cause: Cause::Malformed("it holds no credentials".to_owned()),
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
