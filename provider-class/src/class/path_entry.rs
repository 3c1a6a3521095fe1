//! An entry with an `objectPath`: all parameters below a path.

use super::cursor::Fields;
use super::named::Named;
use super::request::{PathRequest, Request};
use crate::ObjectType;
use crate::words::boolean::boolean;
use crate::words::name;

/// What stands before the names of the entry's files.
pub(super) fn before(alias: Option<&str>) -> String {
    alias.map_or_else(String::new, |alias| format!("{alias}/"))
}

/// The request of an entry, whose other fields must fit beside a path.
pub(super) fn request(
    fields: &Fields<'_>,
    path: &str,
    named: &Named<'_>,
    kind: Option<&str>,
    recursive: Option<&str>,
) -> Option<Request> {
    if named.name.is_some() {
        fields.problem(
            "objectPath",
            "stands in place of objectName: remove one of them",
        );
    }
    if kind.and_then(ObjectType::of) != Some(ObjectType::Parameter) {
        fields.problem(
            "objectType",
            "must be \"ssmparameter\" with objectPath: only parameters have paths",
        );
    }
    if named.version.is_some() {
        fields.problem(
            "objectVersion",
            "is the version of one parameter, not of a path: remove it, or select versions by objectVersionLabel",
        );
    }
    let is_recursive = match recursive {
        Some(text) => fields.keep("recursive", boolean(text)),
        None => Some(true),
    };
    below(fields, path, named.label, is_recursive)
}

fn below(
    fields: &Fields<'_>,
    path: &str,
    label: Option<&str>,
    is_recursive: Option<bool>,
) -> Option<Request> {
    let path = fields.keep("objectPath", name::path(path));
    if let Some(label) = label {
        let valid = name::label(label, path.unwrap_or_default());
        fields.keep("objectVersionLabel", valid)?;
    }
    Some(Request::Path(PathRequest {
        path: path?.to_owned(),
        is_recursive: is_recursive?,
        label: label.map(str::to_owned),
    }))
}

/// The request in the failover region.
pub(super) fn failover(
    fields: &Fields<'_>,
    other: &Named<'_>,
    label: Option<&str>,
    recursive: Option<&str>,
) -> Option<Request> {
    if other.name.is_some() || other.version.is_some() {
        fields.at.problem(
            "must have an objectPath and perhaps an objectVersionLabel, as its entry does, and nothing else",
        );
    }
    let Some(path) = other.path else {
        fields.missing("objectPath", "is required: the path in the failover region");
        return None;
    };
    // What is wrong with it has been found in the entry.
    let is_recursive = recursive.is_none_or(|text| boolean(text).unwrap_or(true));
    below(fields, path, other.label.or(label), Some(is_recursive))
}
