//! One secret of Secrets Manager.

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use provider_class::SecretRequest;
use zeroize::Zeroizing;

use super::answers::Answer;
use super::target::Target;
use crate::aws::{Cause, Failure, send};
use crate::service::Service;
use crate::versions::Version;

/// The label that counts where a request names none.
const CURRENT: &str = "AWSCURRENT";

/// Asks whether the held version still carries the requested label, and for the value only where it does not.
pub(super) async fn fetch(
    target: Target<'_>,
    request: &SecretRequest,
    held: Option<&Version>,
) -> Result<Answer, Failure> {
    // Version ids of another region say nothing about this one's secret.
    if let Some(held) = held.filter(|held| held.region == *target.region)
        && let Some(id) = &held.id
    {
        match describe(target, &request.id).await {
            Ok(description) if description.deleted_date.is_some() => {
                // What GetSecretValue would say. The version it would have given is still listed.
                return Err(refused(
                    target,
                    "InvalidRequestException",
                    "the secret is scheduled for deletion",
                ));
            }
            Ok(description) => {
                let label = request.stage.as_deref().unwrap_or(CURRENT);
                if carries(&description, id, label) {
                    return Ok(Answer::Unchanged);
                }
            }
            // The right to describe a secret says nothing about its value, which was fetched without it before.
            Err(failure) if is_denied(&failure) => {
                tracing::warn!("{failure}; fetching the value instead");
            }
            Err(failure) => return Err(failure),
        }
    }
    let answer = send(
        target.clients,
        Service::SecretsManager,
        target.region,
        target.deadline,
        async || {
            let call = target.secrets_manager.get_secret_value();
            call.secret_id(&request.id)
                .set_version_id(request.version.clone())
                .set_version_stage(request.stage.clone())
                .send()
                .await
        },
    );
    let answer = answer.await?;
    let value = match (answer.secret_string, answer.secret_binary) {
        (Some(text), _) => Zeroizing::new(text.into_bytes()),
        (None, Some(bytes)) => Zeroizing::new(bytes.into_inner()),
        (None, None) => {
            let cause = Cause::Malformed("it contains neither a string nor binary data".to_owned());
            return Err(target.failure(Service::SecretsManager, cause));
        }
    };
    let version = Version::new(
        target.region.clone(),
        answer.version_id.unwrap_or_default(),
        answer.created_date.map(|time| time.secs()),
    );
    Ok(Answer::Fetched { value, version })
}

fn refused(target: Target<'_>, code: &str, message: &str) -> Failure {
    let cause = Cause::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
    };
    target.failure(Service::SecretsManager, cause)
}

fn is_denied(failure: &Failure) -> bool {
    matches!(&failure.cause, Cause::Refused { code, .. } if code == "AccessDeniedException")
}

async fn describe(target: Target<'_>, id: &str) -> Result<DescribeSecretOutput, Failure> {
    send(
        target.clients,
        Service::SecretsManager,
        target.region,
        target.deadline,
        async || {
            let call = target.secrets_manager.describe_secret();
            call.secret_id(id).send().await
        },
    )
    .await
}

fn carries(description: &DescribeSecretOutput, version: &str, label: &str) -> bool {
    let labels = description
        .version_ids_to_stages
        .as_ref()
        .and_then(|versions| versions.get(version));
    labels.is_some_and(|labels| labels.iter().any(|other| other == label))
}
