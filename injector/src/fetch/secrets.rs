//! One secret of Secrets Manager.

use provider_class::Request;
use zeroize::Zeroizing;

use super::class::{Target, Value};
use crate::aws::{Cause, Failure, Service, send};

/// `GetSecretValue`: the string, or else the bytes.
pub(super) async fn fetch(target: Target<'_>, request: &Request) -> Result<Value, Failure> {
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
    match (answer.secret_string, answer.secret_binary) {
        (Some(text), _) => Ok(Zeroizing::new(text.into_bytes())),
        (None, Some(bytes)) => Ok(Zeroizing::new(bytes.into_inner())),
        (None, None) => Err(fail(Cause::Malformed(
            "it holds neither a string nor bytes".to_owned(),
        ))),
    }
}
