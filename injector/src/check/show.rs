//! Results as text for people and as JSON for programs.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use provider_class::printable::{LONGEST_LINE, printable, printable_json};
use provider_class::yaml::Place;
use provider_class::{
    Class, FileMode, Object, OpenFiles, Output, Region, Request, SecretObject, VariableName, policy,
};
use serde_json::{Value, json};

use super::{Checked, Finding, Options};
use crate::args::PolicyOf;

/// A finding on one line, with its place in the file or else in `objects`.
pub(super) fn line(checked: &Checked, finding: &Finding) -> String {
    let start = start(checked, finding.place);
    let problem = &finding.problem;
    let line = match checked.name {
        Some(_) => format!("{start}: {problem}"),
        None => format!("{start} {}", problem.message),
    };
    printable(&line, LONGEST_LINE)
}

/// File, line and class.
pub(super) fn start(checked: &Checked, place: Option<Place>) -> String {
    let mut start = format!("{}:", checked.file.display());
    if let Some(place) = place {
        let _ = write!(start, "{}:", place.line);
    }
    if let Some(name) = &checked.name {
        let _ = write!(start, " class {name:?}");
        if let Some(namespace) = &checked.namespace {
            let _ = write!(start, " in namespace {namespace:?}");
        }
    }
    start
}

/// Files and policies of valid classes, or only a policy.
pub(super) fn text(checked: &[Checked], options: Options<'_>) -> String {
    let region = options.region;
    let classes: Vec<&Class> = checked
        .iter()
        .filter_map(|checked| checked.class.as_ref())
        .collect();
    match options.policy {
        Some(PolicyOf::Pod) => pretty(&policy::of_pod(&classes, region)),
        Some(PolicyOf::Reader) => {
            let reader = policy::of_readers(&classes, region);
            pretty(&reader.unwrap_or_else(|| policy::of_pod(&classes, region)))
        }
        None => {
            let files: String = checked
                .iter()
                .map(|checked| files(checked, region))
                .collect();
            files + &policies(checked, region)
        }
    }
}

fn pretty(value: &Value) -> String {
    printable_json(&format!("{value:#}\n"))
}

fn files(checked: &Checked, default_region: Option<&Region>) -> String {
    let Some(class) = &checked.class else {
        return String::new();
    };
    let mut text = format!("class {:?}", class.name);
    if let Some(namespace) = &checked.namespace {
        let _ = write!(text, " in namespace {namespace:?}");
    }
    text += " is valid in ";
    match (class.region.as_ref().or(default_region), class.own_region()) {
        (Some(region), _) => text += region.as_str(),
        (None, Some(of_arns)) => {
            let _ = write!(
                text,
                "a cluster whose default region is its ARNs', {of_arns}"
            );
        }
        (None, None) => text += "the cluster's default region",
    }
    if let Some(region) = &class.failover_region {
        let _ = write!(text, ", with failover to {region}");
    }
    text += ". Its files:\n";
    let rows = rows_of(class);
    let width = rows
        .iter()
        .map(|row| row.path.chars().count())
        .max()
        .unwrap_or_default();
    let (mut has_variables, mut has_open) = (false, false);
    for row in rows {
        has_open |= !row.is_known;
        has_variables |= row.variable.is_some();
        let variable = row.variable.map_or("", |_| VARIABLE_MARK);
        let optional = if row.is_optional { OPTIONAL_MARK } else { "" };
        let (path, mode, source) = (row.path, row.mode, row.source);
        let row = format!("  {path:<width$}  {mode}  {source}{variable}{optional}");
        text += &printable(&row, LONGEST_LINE);
        text.push('\n');
    }
    if has_variables {
        text += VARIABLE_NOTE;
    }
    if has_open {
        text += OPEN_NOTE;
    }
    text + &secrets(class) + "\n"
}

/// The Kubernetes Secrets of a class, each key with its file.
fn secrets(class: &Class) -> String {
    if class.secret_objects.is_empty() {
        return String::new();
    }
    let mut text = SECRETS.to_owned();
    for secret in &class.secret_objects {
        let keys = secret.data.iter();
        let keys: Vec<String> = keys
            .map(|data| format!("{}={}", data.key, data.file))
            .collect();
        let (name, secret_type) = (&secret.name, &secret.secret_type);
        let row = format!("  {name}  {secret_type}  {}", keys.join(", "));
        text += &printable(&row, LONGEST_LINE);
        text.push('\n');
    }
    text
}

/// Stands before the Secrets of a class.
const SECRETS: &str =
    "Its Kubernetes Secrets, see the annotation aws-secrets-injector.io/secret-objects:\n";

/// Marks a file that `*` makes a variable, and says so below the files.
const VARIABLE_MARK: &str = " [variable]";
const VARIABLE_NOTE: &str = "  [variable]: the annotation aws-secrets-injector.io/env: \"*\" makes the file an environment variable of its alias\n";

/// Says below the files what a pattern means.
const OPEN_NOTE: &str = "  <each …>: names that are known only at fetch; env: \"*\" makes no variables of them, but NAME=FILE does\n";

/// Marks a file that may be missing.
const OPTIONAL_MARK: &str = " [optional]";

/// The policies for each namespace: pods of different namespaces have different roles.
fn policies(checked: &[Checked], region: Option<&Region>) -> String {
    let keys = "(add kms:Decrypt for customer managed keys)";
    let mut by_namespace: BTreeMap<Option<&str>, Vec<&Class>> = BTreeMap::new();
    for checked in checked {
        if let Some(class) = &checked.class {
            let classes = by_namespace
                .entry(checked.namespace.as_deref())
                .or_default();
            classes.push(class);
        }
    }
    let several = by_namespace.len() > 1;
    let mut parts = Vec::new();
    for (namespace, classes) in &by_namespace {
        let place = match namespace {
            Some(namespace) if several => format!(" in namespace {namespace:?}"),
            _ => String::new(),
        };
        let own = pretty(&policy::of_pod(classes, region));
        parts.push(format!(
            "IAM policy of the pod's role{place} {keys}:\n{own}"
        ));
        if let Some(reader) = policy::of_readers(classes, region) {
            let reader = pretty(&reader);
            parts.push(format!(
                "IAM policy of the role of assumeRoleArn{place} {keys}:\n{reader}"
            ));
        }
    }
    parts.join("\n")
}

/// A file of an entry, or the files of which only a pattern is known.
struct Row {
    path: String,
    mode: FileMode,
    source: String,
    /// Is its name known before the fetch?
    is_known: bool,
    is_optional: bool,
    /// The environment variable that `*` makes of it.
    variable: Option<VariableName>,
}

impl Row {
    fn of(output: &Output, is_optional: bool, source: String) -> Self {
        match output {
            Output::File(file) => Self {
                path: file.path.to_string(),
                mode: file.mode,
                source,
                is_known: true,
                is_optional,
                variable: None,
            },
            Output::Open(open) => Self::open(open, is_optional, source),
        }
    }

    fn open(open: &OpenFiles, is_optional: bool, source: String) -> Self {
        Self {
            path: open.to_string(),
            mode: open.mode(),
            source,
            is_known: false,
            is_optional,
            variable: None,
        }
    }
}

/// All files of a class, the source of each, and what `*` makes of it.
fn rows_of(class: &Class) -> Vec<Row> {
    let variables = class.variables();
    let mut variables: HashMap<&str, VariableName> = variables
        .map(|(name, file, _)| (file.path.as_str(), name))
        .collect();
    let mut all: Vec<Row> = class.objects.iter().flat_map(rows).collect();
    for template in &class.templates {
        let output = Output::File(template.file.clone());
        all.push(Row::of(
            &output,
            false,
            format!("template {}", template.index),
        ));
    }
    for row in &mut all {
        row.variable = variables.remove(row.path.as_str());
    }
    all
}

/// The files of an entry and the source of each.
fn rows(object: &Object) -> Vec<Row> {
    let service = match object.request {
        Request::Secret(_) => "secret",
        Request::Parameter(_) => "parameter",
        Request::Path(_) => "parameters below",
    };
    let source = format!("{service} {}", object.request);
    let mut rows = Vec::new();
    if let Some(whole) = &object.whole {
        rows.push(Row::of(whole, object.is_optional, source.clone()));
    }
    for extract in &object.extracts {
        let is_optional = object.is_optional || extract.is_optional;
        let part = format!("{source}, jmesPath {}", extract.path);
        rows.push(Row::of(&extract.output, is_optional, part));
    }
    if let Some(keys) = &object.keys {
        let source = format!("{source}, jsonKeys");
        rows.push(Row::open(keys, object.is_optional, source));
    }
    rows
}

/// A class as a JSON object on one line.
pub(super) fn json(checked: &Checked, default_region: Option<&Region>) -> String {
    let class = checked.class.as_ref();
    let rows = class.into_iter().flat_map(rows_of);
    let files: Vec<Value> = rows
        .map(|row| {
            json!({
                "path": row.path,
                "known": row.is_known,
                "mode": row.mode.to_string(),
                "source": row.source,
                "optional": row.is_optional,
                "variable": row.variable.as_ref().map(VariableName::as_str),
            })
        })
        .collect();
    let region = class.and_then(|class| class.region.as_ref().or(default_region));
    let failover_region = class.and_then(|class| class.failover_region.as_ref());
    let object = json!({
        "file": checked.file.display().to_string(),
        "name": checked.name,
        "namespace": checked.namespace,
        "valid": class.is_some(),
        "region": region.map(Region::as_str),
        "failoverRegion": failover_region.map(Region::as_str),
        "files": files,
        "secrets": class.iter().flat_map(|class| &class.secret_objects).map(secret).collect::<Vec<_>>(),
        "policy": class.map(|class| policy::of_pod(&[class], region)),
        "readerPolicy": class.and_then(|class| policy::of_readers(&[class], region)),
        "problems": checked.findings.iter().map(problem).collect::<Vec<_>>(),
    });
    printable_json(&format!("{object}\n"))
}

fn secret(secret: &SecretObject) -> Value {
    let data = secret.data.iter();
    let data: serde_json::Map<String, Value> = data
        .map(|data| (data.key.clone(), data.file.as_str().into()))
        .collect();
    json!({"name": secret.name.as_str(), "type": secret.secret_type, "data": data})
}

fn problem(finding: &Finding) -> Value {
    let problem = &finding.problem;
    let field = &problem.field;
    let message = match field.place {
        Some(place) => {
            format!(
                "{} (line {} of {})",
                problem.message,
                place.line,
                field.list()
            )
        }
        None => problem.message.clone(),
    };
    json!({
        "severity": if finding.is_error { "error" } else { "warning" },
        "field": Some(field.path.to_string()).filter(|path| !path.is_empty()),
        "entry": field.entry(),
        "object": field.object,
        "message": message,
        "line": finding.place.map(|place| place.line),
        "column": finding.place.map(|place| place.column),
    })
}
