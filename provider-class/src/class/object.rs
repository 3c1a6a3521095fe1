//! One entry of `objects`: a secret or a parameter, and its files.

use super::entry_request::{object_type, request};
use super::field_path::Field;
use super::findings::Findings;
use super::raw::{RawExtract, RawFailover, RawObject};
use super::request::Request;
use crate::words::name;
use crate::{Arn, FileMode, FilePath, JmesPath, ObjectType, PathTranslation, Region};

/// An entry of `objects`, valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its `objectName`, cut to what a line of a message can hold.
    pub name: String,
    /// What is asked of AWS.
    pub request: Request,
    /// What is asked in the failover region if the first region fails.
    pub failover: Option<Request>,
    /// The file with the whole value.
    pub file: File,
    /// Is that file named by an `objectAlias` rather than the `objectName`?
    pub has_alias: bool,
    /// Files with parts of the value (`jmesPath`).
    pub extracts: Vec<Extract>,
}

/// A file of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the mount.
    pub path: FilePath,
    /// Its permissions.
    pub mode: FileMode,
}

/// An item of `jmesPath`, valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Extract {
    /// Its place in the object's list, from 0.
    pub index: usize,
    /// The part of the JSON.
    pub path: JmesPath,
    /// The file it goes to.
    pub file: File,
}

impl Object {
    /// A field of this entry, for messages; an empty path is the entry itself.
    pub(crate) fn field(&self, path: &str) -> Field {
        let dot = if path.is_empty() { "" } else { "." };
        Field {
            object: Some(self.name.clone()),
            ..Field::new(format!("objects[{}]{dot}{path}", self.index))
        }
    }

    /// Every file of this entry.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        std::iter::once(&self.file).chain(self.extracts.iter().map(|extract| &extract.file))
    }
}

/// What applies to all entries of a class.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) region: Option<&'a Region>,
    pub(crate) failover_region: Option<&'a Region>,
    pub(crate) translation: PathTranslation,
}

impl Context<'_> {
    /// Checks one entry; `None` if a problem makes it unusable.
    pub(crate) fn object(self, raw: &RawObject, findings: &mut Findings) -> Option<Object> {
        let entry = format!("objects[{}]", raw.index);
        let mode = raw
            .file_permission
            .as_deref()
            .map(|text| findings.keep(format!("{entry}.filePermission"), text.parse()));
        let mode = mode.map_or(Some(FileMode::DEFAULT), |mode| mode);
        let extracts = raw.jmes_path.iter().enumerate();
        let extracts: Vec<_> = extracts
            .map(|(index, extract)| self.extract(&entry, index, extract, mode, findings))
            .collect();
        let Some(name) = raw.name.as_deref() else {
            findings.problem(
                format!("{entry}.objectName"),
                "is required: the name or ARN of a secret or parameter",
            );
            return None;
        };
        let file_field = if raw.alias.is_some() {
            "objectAlias"
        } else {
            "objectName"
        };
        let file_name = raw.alias.as_deref().unwrap_or(name);
        let path = findings.keep(
            format!("{entry}.{file_field}"),
            FilePath::translate(file_name, self.translation),
        );
        let object_type = object_type(
            &entry,
            name,
            raw.kind.as_deref(),
            self.region,
            "region",
            findings,
        );
        let request = object_type.and_then(|object_type| {
            request(
                &entry,
                object_type,
                name,
                raw.version.as_deref(),
                raw.version_label.as_deref(),
                findings,
            )
        });
        let failover = match (&raw.failover, self.failover_region) {
            (Some(failover), _) => self.failover(&entry, raw, failover, object_type, findings),
            (None, Some(_)) => same_in_failover_region(&entry, name, request.as_ref(), findings),
            (None, None) => None,
        };
        Some(Object {
            index: raw.index,
            name: name::cut(name),
            request: request?,
            failover,
            file: File {
                path: path?,
                mode: mode?,
            },
            has_alias: raw.alias.is_some(),
            extracts: extracts.into_iter().collect::<Option<_>>()?,
        })
    }

    fn extract(
        self,
        entry: &str,
        index: usize,
        raw: &RawExtract,
        parent: Option<FileMode>,
        findings: &mut Findings,
    ) -> Option<Extract> {
        let item = format!("{entry}.jmesPath[{index}]");
        let mode = raw
            .file_permission
            .as_deref()
            .map(|text| findings.keep(format!("{item}.filePermission"), text.parse()));
        let path = raw
            .path
            .as_deref()
            .ok_or("is required: a JMESPath expression, such as the key to take out".to_owned())
            .and_then(|text| text.parse::<JmesPath>().map_err(|error| error.to_string()));
        let path = findings.keep(format!("{item}.path"), path);
        let file = raw
            .alias
            .as_deref()
            .ok_or("is required: the name of the file for this part".to_owned())
            .and_then(|alias| {
                FilePath::translate(alias, self.translation).map_err(|error| error.to_string())
            });
        let file = findings.keep(format!("{item}.objectAlias"), file);
        let mode = mode.unwrap_or(parent)?;
        Some(Extract {
            index,
            path: path?,
            file: File { path: file?, mode },
        })
    }

    fn failover(
        self,
        entry: &str,
        raw: &RawObject,
        failover: &RawFailover,
        object_type: Option<ObjectType>,
        findings: &mut Findings,
    ) -> Option<Request> {
        let field = format!("{entry}.failoverObject");
        if self.failover_region.is_none() {
            findings.problem(&field, "needs the parameter failoverRegion");
        }
        if raw.alias.is_none() {
            findings.problem(
                format!("{entry}.objectAlias"),
                "is required with a failoverObject: one file name for both regions",
            );
        }
        if failover.version != raw.version {
            findings.problem(
                format!("{field}.objectVersion"),
                "must be the same as the entry's objectVersion: one version in both regions",
            );
        }
        let Some(name) = failover.name.as_deref() else {
            findings.problem(
                format!("{field}.objectName"),
                "is required: the name or ARN in the failover region",
            );
            return None;
        };
        let kind = object_type.map(ObjectType::as_str);
        let object_type = super::entry_request::object_type(
            &field,
            name,
            kind,
            self.failover_region,
            "failoverRegion",
            findings,
        )?;
        let label = failover
            .version_label
            .as_deref()
            .or(raw.version_label.as_deref());
        request(
            &field,
            object_type,
            name,
            failover.version.as_deref(),
            label,
            findings,
        )
    }
}

/// Without a failoverObject the failover region has the same name; but an ARN belongs to its own region.
fn same_in_failover_region(
    entry: &str,
    name: &str,
    request: Option<&Request>,
    findings: &mut Findings,
) -> Option<Request> {
    if Arn::looks_like(name) {
        findings.warning(entry, "has no failover: an ARN exists only in its own region; give the other region's ARN in a failoverObject");
        return None;
    }
    request.cloned()
}
