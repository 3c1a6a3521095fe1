//! Checks classes without calling AWS: their mistakes, the files they would write, and the IAM policy they need.

mod rbac;
mod show;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use provider_class::document::{InvalidDocument, kinds};
use provider_class::yaml::Place;
use provider_class::{
    Class, ClassError, Contents, Document, Field, Problem, Region, Request, ResolveError,
};

use crate::args::{Output, PolicyOf};
use crate::input::{self, Input, InputError};

/// What was found in all files.
#[derive(Debug)]
pub struct Report {
    /// Results, for standard output.
    pub text: String,
    /// What was skipped, a line each, for the log.
    pub notes: Vec<String>,
    /// What is doubtful, a line each, for standard error.
    pub warnings: Vec<String>,
    /// What is wrong, a line each, for standard error.
    pub errors: Vec<String>,
}

/// What a report contains.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The region of classes that name none.
    pub region: Option<&'a Region>,
    /// Only a policy.
    pub policy: Option<PolicyOf>,
    /// Only a Role and a RoleBinding.
    pub rbac: Option<Rbac<'a>>,
    /// The format: for people or for programs.
    pub output: Output,
}

/// Who gets the right to apply Kubernetes Secrets.
#[derive(Clone, Copy, Debug)]
pub struct Rbac<'a> {
    /// The pod's ServiceAccount.
    pub service_account: &'a str,
    /// The namespace of the pods, in which each class must be.
    pub namespace: Option<&'a str>,
}

/// A class and what was found in it; or a file or document that could not be read as a class.
struct Checked {
    file: PathBuf,
    name: Option<String>,
    namespace: Option<String>,
    /// Set if it is valid.
    class: Option<Class>,
    findings: Vec<Finding>,
}

/// An error or a warning.
struct Finding {
    is_error: bool,
    /// Its field has a place only where the one in the file is not known.
    problem: Problem,
    place: Option<Place>,
}

/// Checks every class of files and directories.
pub fn check(paths: &[PathBuf], options: Options<'_>) -> Report {
    let mut checks = Checks::default();
    for path in paths {
        match input::files(path) {
            Err(error) => checks.fail(path, &error),
            Ok(files) => checks.files(path, &files, options.region),
        }
    }
    checks.report(options)
}

/// Checks so far.
#[derive(Default)]
struct Checks {
    checked: Vec<Checked>,
    notes: Vec<String>,
}

impl Checks {
    /// The files of one path, at least one of which must have a class.
    fn files(&mut self, path: &Path, files: &[Input], region: Option<&Region>) {
        let before = self.checked.len();
        let mut others = BTreeMap::new();
        for input in files {
            match input::read(&input.path) {
                Err(error) => self.fail(&input.path, &error),
                Ok(text) => self.file(input, &text, region, &mut others),
            }
        }
        if self.checked.len() == before {
            self.push_error(path, None, &InvalidDocument::Empty { others });
        } else if !others.is_empty() {
            let others = kinds(&others);
            self.notes
                .push(format!("{}: skipped {others}", path.display()));
        }
    }

    fn file(
        &mut self,
        input: &Input,
        text: &str,
        region: Option<&Region>,
        others: &mut BTreeMap<String, usize>,
    ) {
        let contents = Contents::read(text);
        for (kind, count) in &contents.others {
            *others.entry(kind.clone()).or_default() += count;
        }
        for error in &contents.errors {
            // A chart's directory has templates, which are not valid YAML.
            let is_other = matches!(error, InvalidDocument::Yaml { .. })
                && input.is_found
                && !text.contains(provider_class::KIND);
            if is_other {
                *others
                    .entry("file that is not YAML".to_owned())
                    .or_default() += 1;
            } else {
                self.push_error(&input.path, error.place(), error);
            }
        }
        for document in &contents.classes {
            let (class, problems) = match document.parse() {
                Ok(class) => match class.resolve_region(region) {
                    // The environment of the pods may name one.
                    Ok(_) | Err(ResolveError::NoRegion(_)) => (Some(class), None),
                    Err(ResolveError::Invalid(invalid)) => (None, Some(invalid.problems)),
                },
                Err(ClassError::Invalid(invalid)) => (None, Some(invalid.problems)),
                Err(ClassError::NoProvider { problem, .. }) => (None, Some(vec![*problem])),
                Err(ClassError::OtherProvider { provider, .. }) => {
                    let kind = format!("{} of provider {provider}", provider_class::KIND);
                    *others.entry(kind).or_default() += 1;
                    continue;
                }
            };
            let is_error = problems.is_some();
            let warnings = class.as_ref().map(|class| class.warnings.clone());
            let problems = problems.or(warnings).unwrap_or_default();
            let mut findings = Vec::new();
            for mut problem in problems {
                findings.push(Finding {
                    is_error,
                    place: document.place(&mut problem.field),
                    problem,
                });
            }
            self.push(&input.path, document, class, findings);
        }
    }

    fn push(
        &mut self,
        file: &Path,
        document: &Document,
        class: Option<Class>,
        findings: Vec<Finding>,
    ) {
        let metadata = &document.class.metadata;
        self.checked.push(Checked {
            file: file.to_owned(),
            name: Some(metadata.name.clone()),
            namespace: metadata.namespace.clone(),
            class,
            findings,
        });
    }

    fn fail(&mut self, file: &Path, error: &InputError) {
        self.push_error(file, None, error);
    }

    /// An error of a file or document that should be a class.
    fn push_error(&mut self, file: &Path, place: Option<Place>, error: &dyn std::error::Error) {
        let problem = Problem {
            field: Field::default(),
            message: error.to_string(),
        };
        self.checked.push(Checked {
            file: file.to_owned(),
            name: None,
            namespace: None,
            class: None,
            findings: vec![Finding {
                is_error: true,
                problem,
                place,
            }],
        });
    }

    fn report(self, options: Options<'_>) -> Report {
        let mut report = Report {
            text: String::new(),
            notes: self.notes,
            warnings: Vec::new(),
            errors: Vec::new(),
        };
        for class in self
            .checked
            .iter()
            .filter_map(|checked| checked.class.as_ref())
        {
            report.notes.extend(notes(class));
        }
        for checked in &self.checked {
            for finding in &checked.findings {
                let line = show::line(checked, finding);
                if finding.is_error {
                    report.errors.push(line);
                } else {
                    report.warnings.push(line);
                }
            }
        }
        if let Some(rbac) = options.rbac {
            report.errors.extend(rbac::elsewhere(&self.checked, rbac));
        }
        report.text = match options.output {
            Output::Json => self
                .checked
                .iter()
                .map(|checked| show::json(checked, options.region))
                .collect(),
            Output::Text if !report.errors.is_empty() => String::new(),
            Output::Text => show::text(&self.checked, options),
        };
        if let Some(rbac) = options.rbac
            && report.errors.is_empty()
        {
            report.text = rbac::text(&self.checked, rbac);
            if report.text.is_empty() {
                report
                    .warnings
                    .push("no class has secretObjects: no Role is needed".to_owned());
            }
        }
        report
    }
}

/// What to know about a class with paths of parameters.
fn notes(class: &Class) -> Vec<String> {
    let mut objects = class.objects.iter();
    if !objects.any(|object| matches!(object.request, Request::Path(_))) {
        return Vec::new();
    }
    let name = &class.name;
    vec![
        format!(
            "class {name:?}: ssm:GetParametersByPath on a path allows reading all parameters below it, even those that another statement denies explicitly"
        ),
        format!(
            "class {name:?}: the AWS provider for the Secrets Store CSI Driver refuses this class, because it does not support objectPath"
        ),
    ]
}
