//! The [`Request`] of an entry, or of its `failoverObject`.

use super::findings::Findings;
use super::regions::disagreement;
use super::request::{ParameterRequest, Request, SecretRequest, Selector};
use crate::words::name::{self, InvalidName, shown};
use crate::{Arn, ObjectType, Region};

/// What an entry is, by its `objectType` and its ARN. The ARN must be in `region`; if that is not known yet, the findings
/// keep the ARN's own region.
pub(crate) fn object_type(
    entry: &str,
    name: &str,
    kind: Option<&str>,
    region: Option<&Region>,
    parameter: &str,
    findings: &mut Findings,
) -> Option<ObjectType> {
    let type_field = format!("{entry}.objectType");
    let by_field = kind.and_then(ObjectType::of);
    if let (Some(kind), None) = (kind, by_field) {
        let kind = shown(kind);
        findings.problem(
            &type_field,
            format!("{kind} is neither \"secretsmanager\" nor \"ssmparameter\""),
        );
    }
    findings.keep(format!("{entry}.objectName"), name::written(name))?;
    if !Arn::looks_like(name) {
        if kind.is_none() {
            findings.problem(&type_field, "is required where objectName is not an ARN: \"secretsmanager\" or \"ssmparameter\"");
        }
        return by_field;
    }
    let arn: Arn = findings.keep(format!("{entry}.objectName"), name.parse())?;
    let field = format!("{entry}.objectName");
    match region {
        Some(region) => {
            if let Some(message) = disagreement(&arn.region, parameter, region) {
                findings.problem(field, message);
            }
        }
        None => findings.arn_region(&field, &arn.region),
    }
    if by_field.is_some_and(|by_field| by_field != arn.object_type) {
        let message = format!(
            "does not match the ARN, which is of type {:?}: correct it, or remove it",
            arn.object_type.as_str()
        );
        findings.problem(&type_field, message);
        return None;
    }
    if kind.is_some() && by_field.is_none() {
        return None;
    }
    Some(arn.object_type)
}

/// The object and version that an entry names.
pub(crate) fn request(
    entry: &str,
    object_type: ObjectType,
    name: &str,
    version: Option<&str>,
    label: Option<&str>,
    findings: &mut Findings,
) -> Option<Request> {
    match object_type {
        ObjectType::Secret => secret(entry, name, version, label, findings),
        ObjectType::Parameter => parameter(entry, name, version, label, findings),
    }
}

fn secret(
    entry: &str,
    name: &str,
    version: Option<&str>,
    label: Option<&str>,
    findings: &mut Findings,
) -> Option<Request> {
    let field = format!("{entry}.objectName");
    let valid = match name.parse::<Arn>() {
        Ok(arn) => {
            warn_of_a_word_at_the_end(&field, &arn, findings);
            name::secret(arn.name(), true)
        }
        Err(_) => name::secret(name, false),
    };
    let name_is_valid = findings.keep(field, valid);
    let version_is_valid = match version {
        Some(version) => findings.keep(format!("{entry}.objectVersion"), name::version_id(version)),
        None => Some(()),
    };
    let label_is_valid = match label {
        Some(label) => findings.keep(format!("{entry}.objectVersionLabel"), name::stage(label)),
        None => Some(()),
    };
    name_is_valid.and(version_is_valid).and(label_is_valid)?;
    Some(Request::Secret(SecretRequest::new(name, version, label)))
}

/// AWS treats any ARN that ends in a hyphen and six letters or digits as a full one. Six lower-case letters are a word of the
/// name, except in one case in two hundred.
fn warn_of_a_word_at_the_end(field: &str, arn: &Arn, findings: &mut Findings) {
    if let Some(end) = arn.suffix()
        && end.bytes().all(|b| b.is_ascii_lowercase())
    {
        findings.warning(
            field,
            format!("ends in \"-{end}\", which AWS takes for the six characters that it adds to every secret's ARN: if that is part of the name, write the name instead of the ARN, or the full ARN"),
        );
    }
}

fn parameter(
    entry: &str,
    name: &str,
    version: Option<&str>,
    label: Option<&str>,
    findings: &mut Findings,
) -> Option<Request> {
    let name_field = format!("{entry}.objectName");
    let (base, inline) = split_selector(name);
    if base.is_empty() || inline.is_some_and(str::is_empty) {
        findings.problem(
            name_field,
            "needs a name before the \":\" and a version or label after it",
        );
        return None;
    }
    let valid = match base.parse::<Arn>() {
        Ok(arn) => name::parameter(arn.name(), true),
        Err(_) => name::parameter(base, false),
    };
    let name_is_valid = findings.keep(&name_field, valid);
    let (field, text) = match (inline, version, label) {
        (None, None, None) => (None, None),
        (Some(selector), None, None) => (Some(name_field), Some(selector)),
        (None, Some(version), None) => (Some(format!("{entry}.objectVersion")), Some(version)),
        (None, None, Some(label)) => (Some(format!("{entry}.objectVersionLabel")), Some(label)),
        _ => {
            let message = "names a version or label more than once: use one of objectVersion, objectVersionLabel and \":…\" in objectName";
            findings.problem(entry, message);
            return None;
        }
    };
    let selector = match (field, text) {
        (Some(field), Some(text)) => {
            let is_version = version.is_some();
            Some(selector(&field, text, is_version, base, findings)?)
        }
        _ => None,
    };
    name_is_valid?;
    Some(Request::Parameter(ParameterRequest {
        name: base.to_owned(),
        selector,
    }))
}

/// A version or a label; `is_version` if the field is only for versions.
fn selector(
    field: &str,
    text: &str,
    is_version: bool,
    name: &str,
    findings: &mut Findings,
) -> Option<Selector> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number && text.parse::<u64>().is_ok_and(|number| number > 0) {
        return Some(Selector::of(text));
    }
    // Where a number is expected, a label has to look like one.
    let is_neither = is_version && !text.starts_with(|c: char| c.is_ascii_alphabetic());
    let label = if is_number || is_neither {
        let label = shown(text);
        Err(InvalidName::Label { label })
    } else {
        name::label(text, name)
    };
    match label {
        Ok(()) => {
            if is_version {
                findings.warning(
                    field,
                    format!("{text:?} is a label, not a version number, and is sent to AWS as a label: write objectVersionLabel: {text}"),
                );
            }
            Some(Selector::Label(text.to_owned()))
        }
        Err(_) if is_version => {
            let text = shown(text);
            let message = format!("{text} is not a parameter's version number");
            findings.problem(field, message);
            None
        }
        Err(error) => {
            findings.problem(field, error.to_string());
            None
        }
    }
}

/// Splits the `:version` or `:label` off a parameter's name or ARN.
fn split_selector(name: &str) -> (&str, Option<&str>) {
    let resource = if Arn::looks_like(name) {
        name.find(":parameter/").map_or(0, |at| at + 1)
    } else {
        0
    };
    match name[resource..].split_once(':') {
        Some((base, selector)) => (&name[..resource + base.len()], Some(selector)),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_inline_selectors_of_names_and_arns() {
        assert_eq!(split_selector("/app/db:3"), ("/app/db", Some("3")));
        assert_eq!(split_selector("/app/db"), ("/app/db", None));
        let arn = "arn:aws:ssm:us-east-2:111122223333:parameter/app/db";
        assert_eq!(split_selector(arn), (arn, None));
        assert_eq!(split_selector(&format!("{arn}:live")), (arn, Some("live")));
    }
}
