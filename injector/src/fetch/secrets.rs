//! One secret of Secrets Manager.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use provider_class::SecretRequest;

use super::answers::Answer;
use crate::aws::{Cause, Failure, Meaning, Target};
use crate::service::Service;
use crate::versions::Version;

const SERVICE: Service = Service::SecretsManager;
/// The label that counts where a request names none.
const CURRENT: &str = "AWSCURRENT";

/// Asks whether the held version still carries the requested label, and for the value only where it does not.
pub(super) async fn fetch(
    target: Target<'_>,
    client: &Client,
    request: &SecretRequest,
    held: Option<&Version>,
) -> Result<Answer, Failure> {
    // Version ids of another region say nothing about this one's secret.
    if let Some(held) = held.filter(|held| held.region == *target.region)
        && let Some(id) = &held.id
    {
        let description = target.send(SERVICE, async || {
            let call = client.describe_secret();
            call.secret_id(&request.id).send().await
        });
        match description.await {
            Ok(description) if description.deleted_date.is_some() => {
                // What GetSecretValue would say. The version it would have given is still listed.
                return Err(target.failure(SERVICE, Cause::deleted()));
            }
            Ok(description) => {
                let label = request.stage.as_deref().unwrap_or(CURRENT);
                if carries(&description, id, label) {
                    return Ok(Answer::Unchanged);
                }
            }
            // The right to describe a secret says nothing about its value, which was fetched without it before.
            Err(failure) if failure.meaning() == Some(Meaning::Denied) => {
                tracing::warn!("{failure}; fetching the value instead");
            }
            Err(failure) => return Err(failure),
        }
    }
    let answer = target.send(SERVICE, async || {
        let call = client.get_secret_value();
        call.secret_id(&request.id)
            .set_version_id(request.version.clone())
            .set_version_stage(request.stage.clone())
            .send()
            .await
    });
    let answer = answer.await?;
    let value = match (answer.secret_string, answer.secret_binary) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(bytes)) => bytes.into_inner(),
        (None, None) => {
            let cause = Cause::Malformed("it contains neither a string nor binary data".to_owned());
            return Err(target.failure(SERVICE, cause));
        }
    };
    let version = Version::new(
        target.region.clone(),
        answer.version_id.unwrap_or_default(),
        answer.created_date.map(|time| time.secs()),
    );
    Ok(Answer::one(value, version))
}

fn carries(description: &DescribeSecretOutput, version: &str, label: &str) -> bool {
    let labels = description
        .version_ids_to_stages
        .as_ref()
        .and_then(|versions| versions.get(version));
    labels.is_some_and(|labels| labels.iter().any(|other| other == label))
}
