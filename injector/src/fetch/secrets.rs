//! One secret of Secrets Manager.

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;

use provider_class::Request;
use zeroize::Zeroizing;

use super::class::{Answer, Target};
use crate::aws::{Cause, Failure, Service, send};
use crate::versions::Version;

/// The label that counts where a request names none.
const CURRENT: &str = "AWSCURRENT";

/// Asks whether the version that is held still carries the wanted label, and for the value only where it does not.
pub(super) async fn fetch(
    target: Target<'_>,
    request: &Request,
    held: Option<&Version>,
) -> Result<Answer, Failure> {
    let fail = |cause| Failure {
        service: Service::SecretsManager,
        region: Some(target.region.clone()),
        cause,
    };
    let Request::Secret { id, version, stage } = request else {
        return Err(fail(Cause::Setup("not a request for a secret".to_owned())));
    };
    // Version ids of another region say nothing about this one's secret.
    if let Some(held) = held.filter(|held| held.region == *target.region) {
        let description = describe(target, id).await?;
        if description.deleted_date.is_some() {
            // What GetSecretValue would say. The version it would have given is still listed.
            return Err(fail(Cause::Refused {
                code: "InvalidRequestException".to_owned(),
                message: "the secret is scheduled for deletion".to_owned(),
            }));
        }
        if carries(&description, &held.id, stage.as_deref().unwrap_or(CURRENT)) {
            return Ok(Answer::Same);
        }
    }
    let answer = send(
        Service::SecretsManager,
        target.region,
        target.deadline,
        |last| {
            let call = target.secrets_manager.get_secret_value().secret_id(id);
            let call = call
                .set_version_id(version.clone())
                .set_version_stage(stage.clone());
            call.customize().interceptor(last).send()
        },
    );
    let answer = answer.await?;
    let value = match (answer.secret_string, answer.secret_binary) {
        (Some(text), _) => Zeroizing::new(text.into_bytes()),
        (None, Some(bytes)) => Zeroizing::new(bytes.into_inner()),
        (None, None) => {
            return Err(fail(Cause::Malformed(
                "it holds neither a string nor bytes".to_owned(),
            )));
        }
    };
    let version = Version {
        region: target.region.clone(),
        id: answer.version_id.unwrap_or_default(),
        created: answer.created_date.map(|time| time.secs()),
    };
    Ok(Answer::New { value, version })
}

async fn describe(target: Target<'_>, id: &str) -> Result<DescribeSecretOutput, Failure> {
    send(
        Service::SecretsManager,
        target.region,
        target.deadline,
        |last| {
            let call = target.secrets_manager.describe_secret().secret_id(id);
            call.customize().interceptor(last).send()
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
