//! Up to ten parameters of Parameter Store in one call.

use aws_sdk_ssm::types::Parameter;
use provider_class::Request;
use zeroize::Zeroizing;

use super::class::{Answer, Indexed, Target};
use crate::aws::{Cause, Failure, Service, send};
use crate::versions::Version;

/// `GetParameters`, decrypted: a result for each request, with its index.
pub(super) async fn fetch(
    target: Target<'_>,
    asked: &[Indexed<'_>],
) -> Vec<(usize, Result<Answer, Failure>)> {
    let names: Vec<String> = asked
        .iter()
        .map(|(_, request)| request.to_string())
        .collect();
    let answer = send(Service::Ssm, target.region, target.deadline, |last| {
        let call = target
            .ssm
            .get_parameters()
            .set_names(Some(names.clone()))
            .with_decryption(true);
        call.customize().interceptor(last).send()
    });
    let mut answer = match answer.await {
        Ok(answer) => answer,
        Err(failure) => {
            return asked
                .iter()
                .map(|(index, _)| (*index, Err(failure.clone())))
                .collect();
        }
    };
    let mut found = answer.parameters.take().unwrap_or_default();
    let invalid = answer.invalid_parameters.unwrap_or_default();
    let result = |(index, request): &Indexed| (*index, take(&mut found, request, &invalid, target));
    asked.iter().map(result).collect()
}

/// Takes the value that answers a request; a call names each parameter once, so name or ARN tell them apart.
fn take(
    found: &mut [Parameter],
    request: &Request,
    invalid: &[String],
    target: Target<'_>,
) -> Result<Answer, Failure> {
    let fail = |cause| Failure {
        service: Service::Ssm,
        region: Some(target.region.clone()),
        cause,
    };
    let Request::Parameter { name, .. } = request else {
        return Err(fail(Cause::Setup(
            "not a request for a parameter".to_owned(),
        )));
    };
    if invalid.contains(&request.to_string()) {
        let message = "Parameter Store does not have it".to_owned();
        return Err(fail(Cause::Refused {
            code: "InvalidParameters".to_owned(),
            message,
        }));
    }
    let short = |name: &str| {
        name.rsplit_once(":parameter/")
            .map_or(name, |(_, name)| name)
            .trim_start_matches('/')
            .to_owned()
    };
    let wanted = short(name);
    let same = |text: &Option<String>| {
        text.as_deref()
            .is_some_and(|text| text == name || short(text) == wanted)
    };
    let answer = found
        .iter_mut()
        .find(|parameter| same(&parameter.name) || same(&parameter.arn));
    let malformed = || {
        fail(Cause::Malformed(
            "it does not hold this parameter".to_owned(),
        ))
    };
    let parameter = answer.ok_or_else(malformed)?;
    let value = parameter.value.take().ok_or_else(malformed)?;
    let version = Version {
        region: target.region.clone(),
        id: parameter.version.to_string(),
        created: parameter.last_modified_date.map(|time| time.secs()),
    };
    Ok(Answer::New {
        value: Zeroizing::new(value.into_bytes()),
        version,
    })
}
