//! Credentials from the regional STS: for the pod's web identity token (IAM roles for service accounts), and of a second role
//! for secrets of another account.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>.

use aws_credential_types::Credentials;
use aws_sdk_sts::types::Tag;
use provider_class::AssumeRole;

use super::token;
use crate::aws::{Cause, Failure, Target};
use crate::service::Service;

/// Exchanges the token for credentials of the pod's role.
pub(super) async fn exchange(target: Target<'_>) -> Result<Credentials, Failure> {
    let environment = target.clients.environment();
    let role = environment.role_arn.as_ref();
    let role = role.ok_or_else(|| is_unset("AWS_ROLE_ARN"))?;
    let file = environment.web_identity_token_file.as_ref();
    let file = file.ok_or_else(|| is_unset("AWS_WEB_IDENTITY_TOKEN_FILE"))?;
    let token = token::read("AWS_WEB_IDENTITY_TOKEN_FILE", file)
        .map_err(|reason| Failure::setup(Service::Sts, reason))?;
    let client = target.clients.sts(target.region, None);
    let answer = target.send(Service::Sts, async || {
        let call = client.assume_role_with_web_identity();
        call.role_arn(role.as_str())
            .role_session_name(environment.session_name.as_str())
            .web_identity_token(token.as_str())
            .send()
            .await
    });
    from_sts(target, answer.await?.credentials)
}

/// Assumes the role of `assumeRoleArn` with the pod's own credentials.
pub(super) async fn assume(
    target: Target<'_>,
    own: &Credentials,
    role: &AssumeRole,
) -> Result<Credentials, Failure> {
    let tags = tags(target, role)?;
    let client = target.clients.sts(target.region, Some(own));
    let answer = target.send(Service::Sts, async || {
        let call = client.assume_role().set_tags(tags.clone());
        call.role_arn(role.arn.as_str())
            .role_session_name(target.clients.environment().session_name.as_str())
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.duration_seconds)
            .send()
            .await
    });
    from_sts(target, answer.await?.credentials)
}

/// The session tags that the class asks for. `None`: none, for which the role's trust policy need not allow `sts:TagSession`.
fn tags(target: Target<'_>, role: &AssumeRole) -> Result<Option<Vec<Tag>>, Failure> {
    let mut tags = Vec::new();
    for tag in &role.session_tags {
        let failure = |reason: String| Failure::setup(Service::Sts, reason);
        let value = target.clients.environment().pod.tag(*tag);
        let value = value.map_err(|variable| {
            failure(format!(
                "environment variable {variable} is not set: assumeRoleSessionTags needs it"
            ))
        })?;
        let tag = Tag::builder().key(tag.key()).value(value).build();
        tags.push(tag.map_err(|error| failure(error.to_string()))?);
    }
    Ok((!tags.is_empty()).then_some(tags))
}

fn is_unset(variable: &str) -> Failure {
    let reason = format!(
        "environment variable {variable} is not set: the pod's IAM role and token are required, and no other credentials are used"
    );
    Failure::setup(Service::Sts, reason)
}

/// STS's credentials in the SDK's form.
fn from_sts(
    target: Target<'_>,
    credentials: Option<aws_sdk_sts::types::Credentials>,
) -> Result<Credentials, Failure> {
    let credentials = credentials.ok_or_else(|| {
        let cause = Cause::Malformed("it contains no credentials".to_owned());
        target.failure(Service::Sts, cause)
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
