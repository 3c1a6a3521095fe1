//! Up to ten parameters of Parameter Store in one call, and the name that spoils a call for the others.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::Parameter;
use provider_class::request::short_name;
use provider_class::{ParameterRequest, Region};
use zeroize::Zeroizing;

use super::answers::Answer;
use crate::aws::{Cause, Failure, Meaning, Target};
use crate::service::Service;
use crate::versions::Version;

/// A parameter of this path is a secret of Secrets Manager. AWS's answer has the same name, the ARN of the secret, and
/// version 0; stand-ins for AWS name the secret.
///
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html>.
const REFERENCE: &str = "/aws/reference/secretsmanager/";

/// A request, with the index of its planned request.
type Indexed<'a> = (usize, &'a ParameterRequest);

/// `GetParameters`, decrypted: a result for each request, with its index. The service refuses the whole call for one bad
/// name. Then that name is requested apart from the others: the one that the answer blames, or else each half.
pub(super) async fn fetch(
    target: Target<'_>,
    client: &Client,
    call: Vec<Indexed<'_>>,
) -> Vec<(usize, Result<Answer, Failure>)> {
    let mut answers = Vec::with_capacity(call.len());
    let mut groups = vec![call];
    while let Some(mut group) = groups.pop() {
        let failure = match send_group(target, client, &group).await {
            Ok(found) => {
                answers.extend(found);
                continue;
            }
            Err(failure) => failure,
        };
        if group.len() == 1 || !is_about_a_name(&failure) {
            let failed = group
                .iter()
                .map(|(index, _)| (*index, Err(failure.clone())));
            answers.extend(failed);
        } else if let Some(at) = blamed(&failure, &group) {
            let (index, _) = group.remove(at);
            answers.push((index, Err(failure)));
            groups.push(group);
        } else {
            groups.push(group.split_off(group.len() / 2));
            groups.push(group);
        }
    }
    answers
}

/// May the call succeed without one of its names? An answer that is too long may be two that are not.
fn is_about_a_name(failure: &Failure) -> bool {
    match failure.meaning() {
        Some(meaning) => meaning.is_about_a_name(),
        None => failure.cause == Cause::too_long(),
    }
}

/// The one name that the answer is about, if it says so: a denied parameter's ARN is in its message.
fn blamed(failure: &Failure, group: &[Indexed<'_>]) -> Option<usize> {
    let Cause::Refused { message, .. } = &failure.cause else {
        return None;
    };
    if failure.meaning() != Some(Meaning::Denied) {
        return None;
    }
    let (_, resource) = message.split_once(" on resource: ")?;
    let resource = resource.split(char::is_whitespace).next()?;
    let (_, denied) = resource.split_once(":parameter/")?;
    let mut places = group
        .iter()
        .enumerate()
        .filter(|(_, (_, request))| request.short_name() == denied);
    let (at, _) = places.next()?;
    places.next().is_none().then_some(at)
}

async fn send_group(
    target: Target<'_>,
    client: &Client,
    group: &[Indexed<'_>],
) -> Result<Vec<(usize, Result<Answer, Failure>)>, Failure> {
    let names: Vec<String> = group
        .iter()
        .map(|(_, request)| request.wire_name())
        .collect();
    let answer = target.send(Service::Ssm, async || {
        let call = client.get_parameters();
        call.set_names(Some(names.clone()))
            .with_decryption(true)
            .send()
            .await
    });
    let answer = answer.await?;
    let mut found = answer.parameters.unwrap_or_default();
    let invalid = answer.invalid_parameters.unwrap_or_default();
    let answers = group.iter().map(|(index, request)| {
        let answer = take(&mut found, request, &invalid, target.region);
        (
            *index,
            answer.map_err(|cause| target.failure(Service::Ssm, cause)),
        )
    });
    Ok(answers.collect())
}

/// Takes the value that answers a request out of the answer.
fn take(
    found: &mut Vec<Parameter>,
    request: &ParameterRequest,
    invalid: &[String],
    region: &Region,
) -> Result<Answer, Cause> {
    if invalid.contains(&request.wire_name()) {
        return Err(if request.name.starts_with(REFERENCE) {
            Cause::no_reference()
        } else {
            Cause::no_parameter()
        });
    }
    let at = position(found, &request.name).ok_or_else(not_in_answer)?;
    let parameter = found.swap_remove(at);
    // Of a secret, this is the whole of it once more.
    drop(parameter.source_result.map(Zeroizing::new));
    let value = parameter.value.ok_or_else(not_in_answer)?;
    let version = Version::new(
        region.clone(),
        parameter.version.to_string(),
        parameter.last_modified_date.map(|time| time.secs()),
    );
    Ok(Answer::one(value.into_bytes(), version))
}

fn not_in_answer() -> Cause {
    Cause::Malformed("it does not contain this parameter".to_owned())
}

/// How a parameter of an answer matches a requested name, the best match first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    /// The same name or ARN.
    Exact,
    /// Another spelling of it.
    OtherSpelling,
    /// The secret that the requested parameter refers to.
    Secret,
}

impl Match {
    fn of(parameter: &Parameter, name: &str) -> Option<Self> {
        let secret = name.strip_prefix(REFERENCE);
        // A parameter and a secret may have one name.
        if secret.is_some() || !is_secret(parameter) {
            if texts(parameter).any(|text| text == name) {
                return Some(Self::Exact);
            }
            if texts(parameter).any(|text| short_name(text) == short_name(name)) {
                return Some(Self::OtherSpelling);
            }
        }
        (is_secret(parameter) && names_secret(parameter, secret?)).then_some(Self::Secret)
    }
}

/// The best match for a name in an answer. A call names a parameter once, so version and label need not match.
fn position(found: &[Parameter], name: &str) -> Option<usize> {
    let places = found.iter().enumerate();
    let matches = places.filter_map(|(at, parameter)| Some((Match::of(parameter, name)?, at)));
    matches.min().map(|(_, at)| at)
}

/// Name and ARN.
fn texts(parameter: &Parameter) -> impl Iterator<Item = &str> {
    [&parameter.name, &parameter.arn]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

fn is_secret(parameter: &Parameter) -> bool {
    let arn = parameter.arn.as_deref();
    parameter.source_result.is_some() || arn.is_some_and(|arn| arn.contains(":secretsmanager:"))
}

/// By its name or its ARN. A secret's ARN is its name, a hyphen and six characters.
fn names_secret(parameter: &Parameter, secret: &str) -> bool {
    let resource = parameter
        .arn
        .as_deref()
        .and_then(|arn| arn.split_once(":secret:"));
    let suffix = resource.and_then(|(_, resource)| resource.strip_prefix(secret));
    parameter.name.as_deref() == Some(secret)
        || suffix.is_some_and(|suffix| suffix.len() == 7 && suffix.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, arn: &str) -> Parameter {
        Parameter::builder().name(name).arn(arn).build()
    }

    #[test]
    fn each_name_finds_its_own_value() {
        let found = [
            parameter(
                "db",
                "arn:aws:secretsmanager:us-east-2:123456789012:secret:db-AbCdEf",
            ),
            parameter(
                "/aws/reference/secretsmanager/app/x",
                "arn:aws:secretsmanager:us-east-2:123456789012:secret:app/x-AbCdEf",
            ),
            parameter(
                "/app/db",
                "arn:aws:ssm:us-east-2:123456789012:parameter/app/db",
            ),
            parameter("db", "arn:aws:ssm:us-east-2:123456789012:parameter/db"),
            parameter(
                "arn:aws:ssm:us-east-2:111122223333:parameter/shared/y",
                "arn:aws:ssm:us-east-2:111122223333:parameter/shared/y",
            ),
            parameter(
                "other",
                "arn:aws:secretsmanager:us-east-2:123456789012:secret:odd-AbCdEf",
            ),
        ];
        for (name, expected) in [
            ("/aws/reference/secretsmanager/app/x", Some(1)),
            ("/aws/reference/secretsmanager/odd", Some(5)),
            ("/aws/reference/secretsmanager/o", None),
            ("app/db", Some(2)),
            (
                "arn:aws:ssm:us-east-2:123456789012:parameter/app/db",
                Some(2),
            ),
            ("/shared/y", Some(4)),
            ("/missing", None),
        ] {
            assert_eq!(position(&found, name), expected, "{name}");
        }
        // The name of a secret and that of a parameter may be one word.
        assert_eq!(
            position(&found[..1], "/aws/reference/secretsmanager/db"),
            Some(0)
        );
        assert_eq!(position(&found, "db"), Some(3));
        assert_eq!(position(&found[1..], "/db"), Some(2));
    }

    #[test]
    fn the_message_of_a_denial_names_the_parameter() {
        let requests =
            ["/app/a", "/app/denied", "/app/denied2", "b"].map(|name| ParameterRequest {
                name: name.to_owned(),
                selector: None,
            });
        let group: Vec<Indexed> = requests.iter().enumerate().collect();
        let denied = |code: &str, resource: &str| Failure {
            service: Service::Ssm,
            region: None,
            cause: Cause::Refused {
                code: code.to_owned(),
                message: format!(
                    "User: arn:aws:sts::123456789012:assumed-role/app/x is not authorized to perform: ssm:GetParameters on resource: {resource} because no identity-based policy allows it"
                ),
            },
        };
        let arn = "arn:aws:ssm:us-east-2:123456789012:parameter";
        for (code, resource, expected) in [
            (
                "AccessDeniedException",
                format!("{arn}/app/denied"),
                Some(1),
            ),
            ("AccessDeniedException", format!("{arn}/b"), Some(3)),
            ("AccessDeniedException", format!("{arn}/app"), None),
            ("AccessDeniedException", format!("{arn}/*"), None),
            ("AccessDeniedException", "x".to_owned(), None),
            ("ValidationException", format!("{arn}/b"), None),
        ] {
            assert_eq!(
                blamed(&denied(code, &resource), &group),
                expected,
                "{resource}"
            );
        }
    }
}
