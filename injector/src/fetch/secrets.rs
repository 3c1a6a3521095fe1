//! One secret of Secrets Manager.

use provider_class::Request;
use zeroize::Zeroizing;

use super::class::{Answer, Target};
use crate::aws::{Cause, Failure, Service, send};

/// The version that `known` is unchanged, or else `GetSecretValue`: the string, or the bytes.
pub(super) async fn fetch(
    target: Target<'_>,
    request: &Request,
    known: Option<&String>,
) -> Result<Answer, Failure> {
    let fail = |cause| Failure {
        service: Service::SecretsManager,
        region: Some(target.region.clone()),
        cause,
    };
    let Request::Secret { id, version, stage } = request else {
        return Err(fail(Cause::Setup("not a request for a secret".to_owned())));
    };
    let client = target
        .store
        .clients()
        .secrets_manager(target.region, target.credentials);
    if let Some(known) = known
        && wanted_version(target, &client, id, stage.as_deref())
            .await?
            .as_ref()
            == Some(known)
    {
        return Ok(Answer::Unchanged);
    }
    let answer = send(
        Service::SecretsManager,
        target.region,
        target.deadline,
        |last| {
            let call = client.get_secret_value().secret_id(id);
            let call = call
                .set_version_id(version.clone())
                .set_version_stage(stage.clone());
            call.customize().interceptor(last).send()
        },
    );
    let answer = answer.await?;
    let version = answer.version_id;
    match (answer.secret_string, answer.secret_binary) {
        (Some(text), _) => Ok(Answer::Value(Zeroizing::new(text.into_bytes()), version)),
        (None, Some(bytes)) => Ok(Answer::Value(Zeroizing::new(bytes.into_inner()), version)),
        (None, None) => Err(fail(Cause::Malformed(
            "it holds neither a string nor bytes".to_owned(),
        ))),
    }
}

/// `DescribeSecret`: the version that has the wanted label; AWSCURRENT where none is named. It says nothing of the value,
/// and needs no key of KMS.
async fn wanted_version(
    target: Target<'_>,
    client: &aws_sdk_secretsmanager::Client,
    id: &str,
    stage: Option<&str>,
) -> Result<Option<String>, Failure> {
    let description = send(
        Service::SecretsManager,
        target.region,
        target.deadline,
        |last| {
            client
                .describe_secret()
                .secret_id(id)
                .customize()
                .interceptor(last)
                .send()
        },
    );
    let versions = description.await?.version_ids_to_stages.unwrap_or_default();
    let stage = stage.unwrap_or("AWSCURRENT");
    let has_label = |(_, stages): &(String, Vec<String>)| stages.iter().any(|other| other == stage);
    Ok(versions
        .into_iter()
        .find(has_label)
        .map(|(version, _)| version))
}
