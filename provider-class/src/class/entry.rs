//! From an entry of `objects` as it is written to an [`Object`].

use super::entry_request::{object_type, request};
use super::findings::Findings;
use super::object::{Extract, Object};
use super::output::{Each, File, OpenFiles, Output};
use super::path_entry;
use super::raw::{RawExtract, RawFailover, RawKeys, RawObject};
use super::request::Request;
use crate::words::boolean::boolean;
use crate::words::name;
use crate::{Arn, Encoding, FileMode, FilePath, JmesPath, ObjectType, PathTranslation, Region};

/// What applies to all entries of a class.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) region: Option<&'a Region>,
    pub(crate) failover_region: Option<&'a Region>,
    pub(crate) translation: PathTranslation,
}

/// Fields that an entry and its parts have in common; `None` is a problem.
struct Common {
    mode: Option<FileMode>,
    encoding: Option<Encoding>,
    is_optional: Option<bool>,
}

impl Context<'_> {
    /// Checks one entry; `None` if a problem makes it unusable.
    pub(crate) fn object(self, raw: &RawObject, findings: &mut Findings) -> Option<Object> {
        let entry = format!("objects[{}]", raw.index);
        let texts = [&raw.file_permission, &raw.encoding, &raw.optional].map(Option::as_deref);
        let common = common(&entry, texts, Some(FileMode::DEFAULT), findings);
        let has_whole = field(
            &entry,
            "wholeFile",
            raw.whole_file.as_deref(),
            findings,
            boolean,
        );
        let before = path_entry::before(raw);
        let before = before.as_deref();
        let keys = raw
            .json_keys
            .as_ref()
            .map(|keys| self.keys(&entry, keys, before, common.mode, findings));
        let extracts = raw.jmes_path.iter().enumerate();
        let extracts: Vec<_> = extracts
            .map(|item| self.extract(&entry, item, before, common.mode, findings))
            .collect();
        let Some(title) = raw.title() else {
            findings.problem(
                format!("{entry}.objectName"),
                "is required: the name or ARN of a secret or parameter",
            );
            return None;
        };
        let whole = has_whole.and_then(|has_whole| {
            if has_whole.unwrap_or(true) {
                let whole = self.whole(&entry, raw, before, common.mode, findings);
                whole.map(Some)
            } else {
                check_without_whole(&entry, raw, findings);
                Some(None)
            }
        });
        let (request, failover) = match &raw.path {
            Some(path) => path_entry::requests(self, &entry, raw, path, findings),
            None => self.requests(&entry, raw, title, findings),
        };
        Some(Object {
            index: raw.index,
            name: name::cut(title),
            request: request?,
            failover,
            is_optional: common.is_optional?,
            encoding: common.encoding?,
            whole: whole?,
            has_alias: raw.alias.is_some(),
            extracts: extracts.into_iter().collect::<Option<_>>()?,
            keys: match keys {
                Some(keys) => Some(keys?),
                None => None,
            },
        })
    }

    /// The requests in both regions.
    fn requests(
        self,
        entry: &str,
        raw: &RawObject,
        name: &str,
        findings: &mut Findings,
    ) -> (Option<Request>, Option<Request>) {
        if raw.recursive.is_some() {
            let field = format!("{entry}.recursive");
            findings.warning(field, "has no effect without objectPath");
        }
        let kind = raw.kind.as_deref();
        let object_type = object_type(entry, name, kind, self.region, "region", findings);
        let request = object_type.and_then(|object_type| {
            request(
                entry,
                object_type,
                name,
                raw.version.as_deref(),
                raw.version_label.as_deref(),
                findings,
            )
        });
        let failover = match (&raw.failover, self.failover_region) {
            (Some(failover), _) => self.failover(entry, raw, failover, object_type, findings),
            (None, Some(_)) => same_in_failover_region(entry, name, request.as_ref(), findings),
            (None, None) => None,
        };
        (request, failover)
    }

    /// What the whole value is written to.
    fn whole(
        self,
        entry: &str,
        raw: &RawObject,
        before: Option<&str>,
        mode: Option<FileMode>,
        findings: &mut Findings,
    ) -> Option<Output> {
        path_entry::check_directories(entry, raw, self.translation, findings);
        let field = match (&raw.alias, &raw.path) {
            (Some(_), _) => "objectAlias",
            (None, Some(_)) => "objectPath",
            (None, None) => "objectName",
        };
        let name = raw.alias.as_deref().or(raw.title()).unwrap_or_default();
        // The name is checked even if the permission is wrong.
        let checked = mode.unwrap_or(FileMode::DEFAULT);
        let names = (format!("{entry}.{field}"), name, "");
        let output = self.output(names, before, checked, findings);
        mode.and(output)
    }

    /// The file of a name; or the files of parameters, whose names are between `before` and the rest.
    fn output(
        self,
        (field, name, rest): (String, &str, &str),
        before: Option<&str>,
        mode: FileMode,
        findings: &mut Findings,
    ) -> Option<Output> {
        let output = match before {
            None => FilePath::translate(name, self.translation)
                .map(|path| Output::File(File { path, mode })),
            Some(before) => OpenFiles::new(Each::Parameter, (before, rest), self.translation, mode)
                .map(Output::Open),
        };
        findings.keep(field, output.map_err(|error| error.of_object()))
    }

    fn keys(
        self,
        entry: &str,
        raw: &RawKeys,
        before: Option<&str>,
        parent: Option<FileMode>,
        findings: &mut Findings,
    ) -> Option<OpenFiles> {
        let keys = format!("{entry}.jsonKeys");
        let mode = field(
            &keys,
            "filePermission",
            raw.file_permission.as_deref(),
            findings,
            str::parse,
        );
        let mode = mode?.or(parent)?;
        let prefix = raw.prefix.as_deref().unwrap_or_default();
        let below = format!("/{prefix}");
        let (each, names) = match before {
            None => (Each::Key, (prefix, "")),
            Some(before) => (Each::KeyOfParameter, (before, below.as_str())),
        };
        let open = OpenFiles::new(each, names, self.translation, mode);
        findings.keep(format!("{keys}.prefix"), open)
    }

    fn extract(
        self,
        entry: &str,
        (index, raw): (usize, &RawExtract),
        before: Option<&str>,
        parent: Option<FileMode>,
        findings: &mut Findings,
    ) -> Option<Extract> {
        let item = format!("{entry}.jmesPath[{index}]");
        let texts = [&raw.file_permission, &raw.encoding, &raw.optional].map(Option::as_deref);
        let common = common(&item, texts, parent, findings);
        let path = raw
            .path
            .as_deref()
            .ok_or("is required: a JMESPath expression, such as the key to take out".to_owned())
            .and_then(|text| text.parse::<JmesPath>().map_err(|error| error.to_string()));
        let path = findings.keep(format!("{item}.path"), path);
        let alias_field = format!("{item}.objectAlias");
        let Some(alias) = raw.alias.as_deref() else {
            findings.problem(
                alias_field,
                "is required: the name of the file for this part",
            );
            return None;
        };
        let below = format!("/{alias}");
        // The name is checked even if the permission is wrong.
        let mode = common.mode.unwrap_or(FileMode::DEFAULT);
        let output = self.output((alias_field, alias, &below), before, mode, findings);
        common.mode?;
        Some(Extract {
            index,
            path: path?,
            output: output?,
            is_optional: common.is_optional?,
            encoding: common.encoding?,
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
        if failover.path.is_some() {
            findings.problem(
                format!("{field}.objectPath"),
                "is only for entries with an objectPath: write objectName",
            );
        }
        if self.failover_region.is_none() {
            findings.problem(&field, "needs the parameter failoverRegion");
        }
        let has_whole = raw
            .whole_file
            .as_deref()
            .is_none_or(|text| boolean(text) != Ok(false));
        if failover.name.is_some() && raw.alias.is_none() && has_whole {
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
        // With a label alone it is the same object. But an ARN belongs to its own region.
        let same = raw.name.as_deref().filter(|name| !Arn::looks_like(name));
        let Some(name) = failover.name.as_deref().or(same) else {
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

/// Reads `filePermission`, `objectEncoding` and `optional` of an entry or a part.
fn common(
    parent: &str,
    [mode, encoding, optional]: [Option<&str>; 3],
    default_mode: Option<FileMode>,
    findings: &mut Findings,
) -> Common {
    let mode = field(parent, "filePermission", mode, findings, str::parse);
    let encoding = field(parent, "objectEncoding", encoding, findings, str::parse);
    let is_optional = field(parent, "optional", optional, findings, boolean);
    Common {
        mode: mode.and_then(|mode| mode.or(default_mode)),
        encoding: encoding.map(Option::unwrap_or_default),
        is_optional: is_optional.map(Option::unwrap_or_default),
    }
}

/// The value of a field: `Some(None)` if it is not set, `None` if it is wrong, which is a problem.
#[allow(clippy::option_option, reason = "not set and wrong are two things")]
fn field<T, E: ToString>(
    parent: &str,
    name: &str,
    text: Option<&str>,
    findings: &mut Findings,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<Option<T>> {
    let Some(text) = text else {
        return Some(None);
    };
    findings
        .keep(format!("{parent}.{name}"), parse(text))
        .map(Some)
}

/// Without the file with the whole value there must be others.
fn check_without_whole(entry: &str, raw: &RawObject, findings: &mut Findings) {
    if raw.jmes_path.is_empty() && raw.json_keys.is_none() {
        findings.problem(
            format!("{entry}.wholeFile"),
            "is false, so the entry writes no file: add jmesPath or jsonKeys, or remove wholeFile",
        );
    }
    if raw.alias.is_some() && raw.path.is_none() {
        findings.warning(
            format!("{entry}.objectAlias"),
            "has no effect, because wholeFile is false: remove one of them",
        );
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
