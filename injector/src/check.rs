//! What a class would do, without asking anyone: the files it makes, and the IAM policy that it needs.

use std::fmt::Write as _;
use std::path::Path;

use provider_class::{
    Class, Document, InvalidClass, Object, PROVIDER, Parsed, Problem, Region, Request, policy,
};
use serde_json::Value;

use crate::args::PolicyOf;

/// A file's classes, checked.
#[derive(Debug)]
pub struct Report {
    /// Results, for standard output.
    pub text: String,
    /// What is doubtful, a line each, for standard error.
    pub warnings: Vec<String>,
    /// What is wrong, a line each, for standard error.
    pub errors: Vec<String>,
}

/// Checks every class of a file's text; `file` is for messages.
pub fn check(
    file: &Path,
    text: &str,
    default_region: Option<&Region>,
    only_policy: Option<PolicyOf>,
) -> Report {
    let mut report = Report {
        text: String::new(),
        warnings: Vec::new(),
        errors: Vec::new(),
    };
    let documents = match Document::read_all(text) {
        Ok(documents) => documents,
        Err(error) => {
            report.errors.push(format!("{}: {error}", file.display()));
            return report;
        }
    };
    let mut classes = Vec::new();
    for document in &documents {
        let place = |problem: &Problem| {
            Place {
                file,
                document,
                problem,
            }
            .to_string()
        };
        match parse(document, default_region) {
            Err(invalid) => report.errors.extend(invalid.problems.iter().map(place)),
            Ok(Parsed { class, warnings }) => {
                let warnings = document.warnings.iter().chain(&warnings);
                report.warnings.extend(warnings.map(place));
                classes.push(class);
            }
        }
    }
    if report.errors.is_empty() {
        report.text = match only_policy {
            None => classes.iter().map(files).collect::<String>() + &policies(&classes),
            Some(PolicyOf::Pod) => pretty(&policy::of_pod(&classes)),
            Some(PolicyOf::Reader) => {
                pretty(&policy::of_readers(&classes).unwrap_or_else(|| policy::of_pod(&classes)))
            }
        };
    }
    report
}

fn parse(document: &Document, default_region: Option<&Region>) -> Result<Parsed, InvalidClass> {
    let class = &document.class;
    let name = &class.metadata.name;
    if class.spec.provider.is_none() {
        let message = format!("is required: write \"provider: {PROVIDER}\" under spec");
        let problem = Problem {
            field: "provider".to_owned(),
            line: None,
            message,
        };
        return Err(InvalidClass {
            name: name.clone(),
            problems: vec![problem],
        });
    }
    Class::parse(name, &class.spec, default_region)
}

/// A problem with the file's own line where it is known.
struct Place<'a> {
    file: &'a Path,
    document: &'a Document,
    problem: &'a Problem,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.document.class.metadata.name;
        let Problem { field, message, .. } = self.problem;
        write!(f, "{}:", self.file.display())?;
        match (self.document.objects_line, self.problem.line) {
            (Some(first), Some(line)) => write!(
                f,
                "{}: class {name:?}: {field}: {message}",
                first + line - 1
            ),
            _ => write!(f, " class {name:?}: {}", self.problem),
        }
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn files(class: &Class) -> String {
    let mut text = format!("class {:?} is valid, in ", class.name);
    match &class.region {
        Some(region) => text += region.as_str(),
        None => text += "the region that the chart or the nodes name",
    }
    if let Some(region) = &class.failover_region {
        let _ = write!(text, ", with failover to {region}");
    }
    text += "; its files:\n";
    let rows: Vec<[String; 3]> = class.objects.iter().flat_map(rows).collect();
    let width = rows
        .iter()
        .map(|[path, ..]| path.chars().count())
        .max()
        .unwrap_or_default();
    for [path, mode, source] in rows {
        let _ = writeln!(text, "  {path:<width$}  {mode}  {source}");
    }
    text + "\n"
}

fn policies(classes: &[Class]) -> String {
    let keys = "(add kms:Decrypt for keys of your own)";
    let own = format!(
        "IAM policy of the pod's role {keys}:\n{}",
        pretty(&policy::of_pod(classes))
    );
    match policy::of_readers(classes) {
        None => own,
        Some(reader) => format!(
            "{own}\nIAM policy of the role of assumeRoleArn {keys}:\n{}",
            pretty(&reader)
        ),
    }
}

fn rows(object: &Object) -> Vec<[String; 3]> {
    let service = match object.request {
        Request::Secret { .. } => "secret",
        Request::Parameter { .. } => "parameter",
    };
    let source = format!("{service} {}", object.request);
    let whole = [
        object.file.path.to_string(),
        object.file.mode.to_string(),
        source.clone(),
    ];
    let part = |extract: &provider_class::Extract| {
        [
            extract.file.path.to_string(),
            extract.file.mode.to_string(),
            format!("{source}, jmesPath {}", extract.path),
        ]
    };
    std::iter::once(whole)
        .chain(object.extracts.iter().map(part))
        .collect()
}
