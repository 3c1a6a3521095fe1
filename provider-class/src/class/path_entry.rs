//! An entry with an `objectPath`: all parameters below a path.

use super::entry::Context;
use super::findings::Findings;
use super::raw::{RawFailover, RawObject};
use super::request::{PathRequest, Request};
use crate::words::boolean::boolean;
use crate::words::name;
use crate::{ObjectType, PathTranslation};

/// What stands before the names of an entry's files, if it has a path.
pub(super) fn before(raw: &RawObject) -> Option<String> {
    raw.path.as_ref()?;
    let alias = raw.alias.as_deref();
    Some(alias.map_or_else(String::new, |alias| format!("{alias}/")))
}

/// The requests in both regions.
pub(super) fn requests(
    context: Context<'_>,
    entry: &str,
    raw: &RawObject,
    path: &str,
    findings: &mut Findings,
) -> (Option<Request>, Option<Request>) {
    check_others(entry, raw, findings);
    let request = request(
        entry,
        (path, raw.version_label.as_deref()),
        raw.recursive.as_deref(),
        findings,
    );
    let failover = match (&raw.failover, context.failover_region) {
        (Some(raw_failover), region) => {
            let field = format!("{entry}.failoverObject");
            if region.is_none() {
                findings.problem(&field, "needs the parameter failoverRegion");
            }
            failover(&field, raw, raw_failover, findings)
        }
        (None, Some(_)) => request.clone(),
        (None, None) => None,
    };
    (request, failover)
}

/// Fields that do not fit beside a path.
fn check_others(entry: &str, raw: &RawObject, findings: &mut Findings) {
    if raw.name.is_some() {
        findings.problem(
            format!("{entry}.objectPath"),
            "stands in place of objectName: remove one of them",
        );
    }
    if raw.kind.as_deref().and_then(ObjectType::of) != Some(ObjectType::Parameter) {
        findings.problem(
            format!("{entry}.objectType"),
            "must be \"ssmparameter\" with objectPath: only parameters have paths",
        );
    }
    if raw.version.is_some() {
        findings.problem(
            format!("{entry}.objectVersion"),
            "is the version of one parameter, not of a path: remove it, or select versions by objectVersionLabel",
        );
    }
}

/// With directories, the file of a parameter cannot be the directory of its parts.
pub(super) fn check_directories(
    entry: &str,
    raw: &RawObject,
    translation: PathTranslation,
    findings: &mut Findings,
) {
    let has_parts = !raw.jmes_path.is_empty() || raw.json_keys.is_some();
    if raw.path.is_some() && has_parts && translation == PathTranslation::Off {
        findings.problem(
            format!("{entry}.wholeFile"),
            "must be false, because pathTranslation is \"False\": the parts of a parameter are files in a directory of its name",
        );
    }
}

fn request(
    entry: &str,
    (path, label): (&str, Option<&str>),
    recursive: Option<&str>,
    findings: &mut Findings,
) -> Option<Request> {
    let path = findings.keep(format!("{entry}.objectPath"), name::path(path));
    let is_recursive = match recursive {
        Some(text) => findings.keep(format!("{entry}.recursive"), boolean(text)),
        None => Some(true),
    };
    let label_is_valid = match label {
        Some(label) => findings.keep(
            format!("{entry}.objectVersionLabel"),
            name::label(label, path.unwrap_or_default()),
        ),
        None => Some(()),
    };
    label_is_valid?;
    Some(Request::Path(PathRequest {
        path: path?.to_owned(),
        is_recursive: is_recursive?,
        label: label.map(str::to_owned),
    }))
}

fn failover(
    field: &str,
    raw: &RawObject,
    failover: &RawFailover,
    findings: &mut Findings,
) -> Option<Request> {
    if failover.name.is_some() || failover.version.is_some() {
        findings.problem(
            field,
            "must have an objectPath and perhaps an objectVersionLabel, as its entry does, and nothing else",
        );
    }
    let Some(path) = failover.path.as_deref() else {
        findings.problem(
            format!("{field}.objectPath"),
            "is required: the path in the failover region",
        );
        return None;
    };
    let own_label = failover.version_label.as_deref();
    let label = own_label.or(raw.version_label.as_deref());
    // What is wrong with it has been found in the entry.
    let recursive = raw
        .recursive
        .as_deref()
        .filter(|text| boolean(text).is_ok());
    request(field, (path, label), recursive, findings)
}
