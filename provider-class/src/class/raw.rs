//! The entries of `objects` as written: fields that must be strings are strings, and nothing else is checked.

use super::fields::Fields;
use super::findings::Findings;
use super::problem::Problem;
use crate::words::boolean::boolean;
use crate::words::name;
use crate::yaml::{self, Node, Value};

/// An entry of `objects`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RawObject {
    pub(crate) index: usize,
    pub(crate) name: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) recursive: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) version_label: Option<String>,
    pub(crate) file_permission: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) optional: Option<String>,
    pub(crate) whole_file: Option<String>,
    pub(crate) jmes_path: Vec<RawExtract>,
    pub(crate) json_keys: Option<RawKeys>,
    pub(crate) failover: Option<RawFailover>,
}

impl RawObject {
    /// The name or path, for messages.
    pub(crate) fn title(&self) -> Option<&str> {
        self.name.as_deref().or(self.path.as_deref())
    }
}

/// An item of `jmesPath`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RawExtract {
    pub(crate) path: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) file_permission: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) optional: Option<String>,
}

/// A `jsonKeys` that is not `false`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RawKeys {
    pub(crate) prefix: Option<String>,
    pub(crate) file_permission: Option<String>,
}

/// A `failoverObject`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RawFailover {
    pub(crate) name: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) version_label: Option<String>,
}

/// Reads the string `objects`. An entry that is not a mapping is a problem and is left out.
pub(crate) fn read(text: &str, findings: &mut Findings) -> Vec<RawObject> {
    let entries = match yaml::parse(text).map(|node| (node.kind(), node.value)) {
        Ok((_, Value::List(entries))) => entries,
        Ok((_, Value::Null)) => Vec::new(),
        Ok((kind, _)) => {
            findings.problem(
                "objects",
                format!(
                    "must be a YAML list (lines that start with \"- \"), not {}",
                    kind
                ),
            );
            return Vec::new();
        }
        Err(error) => {
            let hint = special_space(text);
            let mut problem = Problem::new("objects", format!("is not valid YAML: {error}{hint}"));
            problem.field.place = Some(error.place);
            findings.push(problem);
            return Vec::new();
        }
    };
    if entries.is_empty() {
        findings.problem(
            "objects",
            "has no entries: list at least one secret or parameter",
        );
    }
    let mut objects = Vec::new();
    for (index, node) in entries.iter().enumerate() {
        if findings.is_full() {
            break;
        }
        objects.extend(object(index, node, findings));
    }
    objects
}

/// Finds a special space: editors and web pages insert them, and YAML treats them as letters.
fn special_space(text: &str) -> String {
    for (index, line) in text.lines().enumerate() {
        if let Some(blank) = line.chars().filter(|c| !c.is_ascii()).find_map(name::blank) {
            let line = index + 1;
            return format!("; line {line} has {blank}: replace it with an ordinary space");
        }
    }
    String::new()
}

fn object(index: usize, node: &Node, findings: &mut Findings) -> Option<RawObject> {
    let path = format!("objects[{index}]");
    let mut fields = Fields::of(node, path.clone(), findings)?;
    let object = RawObject {
        index,
        name: fields.string("objectName"),
        path: fields.string("objectPath"),
        recursive: fields.string("recursive"),
        kind: fields.string("objectType"),
        alias: fields.string("objectAlias"),
        version: fields.string("objectVersion"),
        version_label: fields.string("objectVersionLabel"),
        file_permission: fields.string("filePermission"),
        encoding: fields.string("objectEncoding"),
        optional: fields.string("optional"),
        whole_file: fields.string("wholeFile"),
        ..RawObject::default()
    };
    let (jmes_path, json_keys) = (fields.node("jmesPath"), fields.node("jsonKeys"));
    let failover = fields.node("failoverObject");
    fields.warn_of_the_rest();
    Some(RawObject {
        jmes_path: jmes_path
            .map(|node| extracts(&path, node, findings))
            .unwrap_or_default(),
        json_keys: json_keys.and_then(|node| keys(&path, node, findings)),
        failover: failover.and_then(|node| failover_object(&path, node, findings)),
        ..object
    })
}

fn extracts(object: &str, node: &Node, findings: &mut Findings) -> Vec<RawExtract> {
    let Value::List(items) = &node.value else {
        findings.problem(
            format!("{object}.jmesPath"),
            format!(
                "must be a list of path and objectAlias, not {}",
                node.kind()
            ),
        );
        return Vec::new();
    };
    let mut extracts = Vec::new();
    for (index, node) in items.iter().enumerate() {
        if findings.is_full() {
            break;
        }
        let path = format!("{object}.jmesPath[{index}]");
        let Some(mut fields) = Fields::of(node, path, findings) else {
            continue;
        };
        extracts.push(RawExtract {
            path: fields.string("path"),
            alias: fields.string("objectAlias"),
            file_permission: fields.string("filePermission"),
            encoding: fields.string("objectEncoding"),
            optional: fields.string("optional"),
        });
        fields.warn_of_the_rest();
    }
    extracts
}

/// `true`, `false`, or a mapping.
fn keys(object: &str, node: &Node, findings: &mut Findings) -> Option<RawKeys> {
    let path = format!("{object}.jsonKeys");
    match &node.value {
        Value::Map(_) => {
            let mut fields = Fields::of(node, path, findings)?;
            let keys = RawKeys {
                prefix: fields.string("prefix"),
                file_permission: fields.string("filePermission"),
            };
            fields.warn_of_the_rest();
            Some(keys)
        }
        Value::String(text) | Value::Scalar(text) => {
            let is_set = findings.keep(path, boolean(text))?;
            is_set.then(RawKeys::default)
        }
        Value::Null | Value::List(_) => {
            let kind = node.kind();
            findings.problem(
                path,
                format!("must be true, or a mapping of prefix and filePermission, not {kind}"),
            );
            None
        }
    }
}

/// One in which nothing is set is none: charts write `objectName: ""` for a value that is not set.
fn failover_object(object: &str, node: &Node, findings: &mut Findings) -> Option<RawFailover> {
    let mut fields = Fields::of(node, format!("{object}.failoverObject"), findings)?;
    let failover = RawFailover {
        name: fields.string("objectName"),
        path: fields.string("objectPath"),
        version: fields.string("objectVersion"),
        version_label: fields.string("objectVersionLabel"),
    };
    fields.warn_of_the_rest();
    (failover != RawFailover::default()).then_some(failover)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> (Vec<RawObject>, Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let objects = read(text, &mut findings);
        let lines = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect();
        (
            objects,
            lines(&findings.problems),
            lines(&findings.warnings),
        )
    }

    #[test]
    fn field_names_match_in_any_case_and_scalars_are_strings() {
        let (objects, problems, warnings) = read_all(
            "- ObjectName: a\n  OBJECTTYPE: ssmparameter\n  objectVersion: 1\n  objectAlias: null\n  jmespath:\n    - Path: p\n      objectalias: true\n",
        );
        assert_eq!((problems, warnings), (vec![], vec![]));
        let object = &objects[0];
        assert_eq!(
            (object.name.as_deref(), object.kind.as_deref()),
            (Some("a"), Some("ssmparameter"))
        );
        assert_eq!(
            (object.version.as_deref(), object.alias.as_deref()),
            (Some("1"), None)
        );
        assert_eq!(object.jmes_path[0].path.as_deref(), Some("p"));
        assert_eq!(object.jmes_path[0].alias.as_deref(), Some("true"));
    }

    #[test]
    fn json_is_yaml() {
        let (objects, problems, _) = read_all("[{\"objectName\": \"a\", \"objectVersion\": 7}]");
        assert_eq!(problems, [] as [&str; 0]);
        assert_eq!(objects[0].version.as_deref(), Some("7"));
    }

    #[test]
    fn each_bad_shape_is_named_and_the_others_are_still_read() {
        let (objects, problems, _) = read_all(
            "-\n- text\n- objectName: [a]\n- objectName: b\n  jmesPath: x\n- objectName: c\n  jmesPath: [1]\n- objectName: d\n  failoverObject: no\n",
        );
        assert_eq!(objects.len(), 4);
        for (problem, start) in problems.iter().zip([
            "objects[0]: is empty",
            "objects[1]: must be a mapping",
            "objects[2].objectName: must be a string, not a list",
            "objects[3].jmesPath: must be a list",
            "objects[4].jmesPath[0]: must be a mapping",
            "objects[5].failoverObject: must be a mapping",
        ]) {
            assert!(problem.starts_with(start), "{problem}");
        }
        assert_eq!(problems.len(), 6);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (text, message) in [
            ("", "has no entries"),
            ("[]", "has no entries"),
            ("objectName: a", "must be a YAML list"),
            ("- a: [", "is not valid YAML"),
        ] {
            let (_, problems, _) = read_all(text);
            assert!(problems[0].contains(message), "{problems:?}");
        }
    }

    #[test]
    fn warns_of_unknown_and_repeated_fields() {
        let (objects, problems, warnings) =
            read_all("- objectName: a\n  objectname: b\n  objectTyp: x\n");
        assert_eq!(problems, [] as [&str; 0]);
        assert_eq!(objects[0].name.as_deref(), Some("a"));
        assert!(
            warnings[0].starts_with("objects[0].objectName: is given more than once"),
            "{warnings:?}"
        );
        assert!(
            warnings[1].starts_with("objects[0].objectTyp: is not a known field")
                && warnings[1].ends_with("did you mean objectType?"),
            "{warnings:?}"
        );
    }
}
