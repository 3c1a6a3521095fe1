//! From the names in an entry, or in its `failoverObject`, to [`Request`]s.

use super::cursor::Fields;
use super::named::Named;
use super::path_entry;
use super::regions::disagreement;
use super::request::{ParameterRequest, Request, SecretRequest, Selector};
use crate::words::name::{self, InvalidName, shown};
use crate::{Arn, ObjectType, PathTranslation, Region};

/// What applies to all entries of a class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) region: Option<&'a Region>,
    pub(crate) failover_region: Option<&'a Region>,
    pub(crate) translation: PathTranslation,
}

/// The requests in both regions. The whole value has the name of its object if it `is_unnamed`.
pub(super) fn requests(
    context: Context<'_>,
    fields: &mut Fields<'_>,
    named: &Named<'_>,
    is_unnamed: bool,
) -> (Option<Request>, Option<Request>) {
    let kind = fields.text("objectType");
    let recursive = fields.text("recursive");
    let failover = fields.take("failoverObject");
    let failover = failover
        .and_then(|failover| failover.fields("must be a mapping of objectName or objectPath"));
    let failover = failover.and_then(|mut fields| {
        let named = Named::read(&mut fields);
        fields.finish();
        // One in which nothing is set is none: charts write `objectName: ""` for a value that is not set.
        (named != Named::default()).then_some((fields, named))
    });
    if let Some((fields, _)) = &failover
        && context.failover_region.is_none()
    {
        fields.at.problem("needs the parameter failoverRegion");
    }
    if let Some(path) = named.path {
        let request = path_entry::request(fields, path, named, kind, recursive);
        let failover = match &failover {
            Some((fields, other)) => path_entry::failover(fields, other, named.label, recursive),
            None => context.failover_region.and(request.clone()),
        };
        return (request, failover);
    }
    let Some(name) = named.name else {
        fields.missing(
            "objectName",
            "is required: the name or ARN of a secret or parameter",
        );
        return (None, None);
    };
    if recursive.is_some() {
        fields.warning("recursive", "has no effect without objectPath");
    }
    let object_type = object_type(fields, name, kind, context.region, "region");
    let request = object_type.and_then(|object_type| request(fields, object_type, name, named));
    let failover = match &failover {
        Some((other_fields, other)) => {
            if other.name.is_some() && is_unnamed {
                fields.missing(
                    "objectAlias",
                    "is required with a failoverObject: one file name for both regions",
                );
            }
            failover_request(context, other_fields, (named, other), object_type)
        }
        // Without a failoverObject the failover region has the same name; but an ARN belongs to its own region.
        None if context.failover_region.is_some() && Arn::looks_like(name) => {
            fields.at.warning("has no failover: an ARN exists only in its own region; give the other region's ARN in a failoverObject");
            None
        }
        None => context.failover_region.and(request.clone()),
    };
    (request, failover)
}

fn failover_request(
    context: Context<'_>,
    fields: &Fields<'_>,
    (named, other): (&Named<'_>, &Named<'_>),
    object_type: Option<ObjectType>,
) -> Option<Request> {
    if other.path.is_some() {
        fields.problem(
            "objectPath",
            "is only for entries with an objectPath: write objectName",
        );
    }
    if other.version != named.version {
        fields.problem(
            "objectVersion",
            "must be the same as the entry's objectVersion: one version in both regions",
        );
    }
    // With a label alone it is the same object. But an ARN belongs to its own region.
    let same = named.name.filter(|name| !Arn::looks_like(name));
    let Some(name) = other.name.or(same) else {
        fields.missing(
            "objectName",
            "is required: the name or ARN in the failover region",
        );
        return None;
    };
    let kind = object_type.map(ObjectType::as_str);
    let region = context.failover_region;
    let object_type = self::object_type(fields, name, kind, region, "failoverRegion")?;
    let label = other.label.or(named.label);
    request(fields, object_type, name, &Named { label, ..*other })
}

/// What an entry is, by its `objectType` and its ARN. The ARN must be in `region`; if that is not known yet, the findings
/// keep the ARN's own region.
fn object_type(
    fields: &Fields<'_>,
    name: &str,
    kind: Option<&str>,
    region: Option<&Region>,
    parameter: &str,
) -> Option<ObjectType> {
    let by_field = kind.and_then(ObjectType::of);
    if let (Some(kind), None) = (kind, by_field) {
        let kind = shown(kind);
        fields.problem(
            "objectType",
            format!("{kind} is neither \"secretsmanager\" nor \"ssmparameter\""),
        );
    }
    fields.keep("objectName", name::written(name))?;
    if !Arn::looks_like(name) {
        if kind.is_none() {
            fields.missing("objectType", "is required where objectName is not an ARN: \"secretsmanager\" or \"ssmparameter\"");
        }
        return by_field;
    }
    let arn: Arn = fields.keep("objectName", name.parse())?;
    if let Some(region) = region {
        if let Some(message) = disagreement(&arn.region, parameter, region) {
            fields.problem("objectName", message);
        }
    } else {
        let path = fields.path("objectName");
        fields.at.findings.arn(&path, &arn.region);
    }
    if by_field.is_some_and(|by_field| by_field != arn.object_type) {
        let message = format!(
            "does not match the ARN, which is of type {:?}: correct it, or remove it",
            arn.object_type.as_str()
        );
        fields.problem("objectType", message);
        return None;
    }
    if kind.is_some() && by_field.is_none() {
        return None;
    }
    Some(arn.object_type)
}

/// The object of this name, in the version that an entry names.
fn request(
    fields: &Fields<'_>,
    object_type: ObjectType,
    name: &str,
    named: &Named<'_>,
) -> Option<Request> {
    match object_type {
        ObjectType::Secret => secret(fields, name, named),
        ObjectType::Parameter => parameter(fields, name, named),
    }
}

fn secret(fields: &Fields<'_>, name: &str, named: &Named<'_>) -> Option<Request> {
    let &Named { version, label, .. } = named;
    let valid = match name.parse::<Arn>() {
        Ok(arn) => {
            warn_of_a_word_at_the_end(fields, &arn);
            name::secret(arn.name(), true)
        }
        Err(_) => name::secret(name, false),
    };
    let name_is_valid = fields.keep("objectName", valid);
    let version_is_valid = match version {
        Some(version) => fields.keep("objectVersion", name::version_id(version)),
        None => Some(()),
    };
    let label_is_valid = match label {
        Some(label) => fields.keep("objectVersionLabel", name::stage(label)),
        None => Some(()),
    };
    name_is_valid.and(version_is_valid).and(label_is_valid)?;
    Some(Request::Secret(SecretRequest::new(name, version, label)))
}

/// AWS treats any ARN that ends in a hyphen and six letters or digits as a full one. Six lower-case letters are a word of the
/// name, except in one case in two hundred.
fn warn_of_a_word_at_the_end(fields: &Fields<'_>, arn: &Arn) {
    if let Some(end) = arn.suffix()
        && end.bytes().all(|b| b.is_ascii_lowercase())
    {
        fields.warning(
            "objectName",
            format!("ends in \"-{end}\", which AWS takes for the six characters that it adds to every secret's ARN: if that is part of the name, write the name instead of the ARN, or the full ARN"),
        );
    }
}

fn parameter(fields: &Fields<'_>, name: &str, named: &Named<'_>) -> Option<Request> {
    let &Named { version, label, .. } = named;
    let (base, inline) = split_selector(name);
    if base.is_empty() || inline.is_some_and(str::is_empty) {
        fields.problem(
            "objectName",
            "needs a name before the \":\" and a version or label after it",
        );
        return None;
    }
    let valid = match base.parse::<Arn>() {
        Ok(arn) => name::parameter(arn.name(), true),
        Err(_) => name::parameter(base, false),
    };
    let name_is_valid = fields.keep("objectName", valid);
    let selected = match (inline, version, label) {
        (None, None, None) => None,
        (Some(selector), None, None) => Some(("objectName", selector)),
        (None, Some(version), None) => Some(("objectVersion", version)),
        (None, None, Some(label)) => Some(("objectVersionLabel", label)),
        _ => {
            let message = "names a version or label more than once: use one of objectVersion, objectVersionLabel and \":…\" in objectName";
            fields.at.problem(message);
            return None;
        }
    };
    let selector = match selected {
        Some((field, text)) => Some(selector(fields, field, text, base)?),
        None => None,
    };
    name_is_valid?;
    Some(Request::Parameter(ParameterRequest {
        name: base.to_owned(),
        selector,
    }))
}

/// A version or a label.
fn selector(fields: &Fields<'_>, field: &'static str, text: &str, name: &str) -> Option<Selector> {
    let is_version = field == "objectVersion";
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
                fields.warning(
                    field,
                    format!("{text:?} is a label, not a version number, and is sent to AWS as a label: write objectVersionLabel: {text}"),
                );
            }
            Some(Selector::Label(text.to_owned()))
        }
        Err(_) if is_version => {
            let text = shown(text);
            let message = format!("{text} is not a parameter's version number");
            fields.problem(field, message);
            None
        }
        Err(error) => {
            fields.problem(field, error.to_string());
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
