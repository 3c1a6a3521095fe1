//! Files with `SecretProviderClass` resources, as `kubectl apply -f` takes them, `kubectl get -o yaml` prints them and
//! `helm template` renders them: YAML documents, which may also have other kinds.

mod contents;
mod resource;

use std::collections::BTreeMap;

use crate::yaml::{InvalidYaml, Node, Place, Style, Value};
use crate::{
    Class, ClassError, Field, GROUP, InvalidClass, KIND, PROVIDER, Problem, SecretProviderClass,
    SecretProviderClassSpec, VERSIONS,
};

pub use contents::Contents;

/// A class of a file, with its place in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its place in the file.
    pub number: Number,
    /// The resource, its spec not yet checked.
    pub class: SecretProviderClass,
    /// The same as it is written.
    node: Node,
    /// What Kubernetes refuses, and what has no clear meaning either.
    pub problems: Vec<Problem>,
    /// What Kubernetes refuses, although its meaning is clear.
    pub warnings: Vec<Problem>,
}

/// The place of a resource in a file, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The document, from 1, empty documents not counted.
    pub document: usize,
    /// The item of a `List`, from 1.
    pub item: Option<usize>,
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.item {
            Some(item) => write!(f, "item {item} of document {}", self.document),
            None => write!(f, "document {}", self.document),
        }
    }
}

/// Why a file, or a document of it, is not a class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// Not YAML.
    #[error("{number}: {error}")]
    Yaml {
        /// Its place in the file.
        number: Number,
        /// What the YAML parser says, with line and column.
        error: InvalidYaml,
    },
    /// It does not have the form of the resource.
    #[error("{number} is not a {KIND}: {reason}")]
    Form {
        /// Its place in the file.
        number: Number,
        /// The place of the field that does not fit.
        place: Option<Place>,
        /// What does not fit.
        reason: String,
    },
    /// Its kind is almost the right one.
    #[error("{number} is not a {KIND}: its kind is {kind}; write \"kind: {KIND}\"")]
    Kind {
        /// Its place in the file.
        number: Number,
        /// What it says it is.
        kind: String,
    },
    /// It has another API group or version.
    #[error("{number}: apiVersion {version} is not known: write \"apiVersion: {GROUP}/{}\"", VERSIONS[0])]
    Version {
        /// Its place in the file.
        number: Number,
        /// As written.
        version: String,
    },
    /// No name.
    #[error("{number}: metadata.name is required")]
    Name {
        /// Its place in the file.
        number: Number,
    },
    /// No class in the file.
    #[error("contains no {KIND} of provider \"{PROVIDER}\"{}", passed_over(.others))]
    Empty {
        /// What it has instead.
        others: BTreeMap<String, usize>,
    },
}

impl InvalidDocument {
    /// Its place in the file, if known.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Yaml { error, .. } => Some(error.place),
            Self::Form { place, .. } => *place,
            _ => None,
        }
    }
}

fn passed_over(others: &BTreeMap<String, usize>) -> String {
    if others.is_empty() {
        return String::new();
    }
    format!(", but {}", kinds(others))
}

/// Kinds and their counts, for messages.
pub fn kinds(others: &BTreeMap<String, usize>) -> String {
    const MOST: usize = 10;
    let mut parts: Vec<_> = others
        .iter()
        .take(MOST)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    if others.len() > MOST {
        parts.push(format!("{} other kinds", others.len() - MOST));
    }
    parts.join(", ")
}

impl Document {
    /// Checks the class, as [`Class::parse`] does, and what Kubernetes would refuse.
    ///
    /// # Errors
    /// Another provider, or every problem of the class, also that of a missing provider.
    pub fn parse(&self) -> Result<Class, ClassError> {
        let name = &self.class.metadata.name;
        let mut problems = self.problems.clone();
        let parsed = match Class::parse(name, &self.class.spec) {
            Err(ClassError::NoProvider { problem, .. }) => {
                problems.push(*problem);
                let spec = SecretProviderClassSpec {
                    provider: Some(PROVIDER.to_owned()),
                    ..self.class.spec.clone()
                };
                Class::parse(name, &spec)
            }
            parsed => parsed,
        };
        match parsed {
            Ok(mut class) if problems.is_empty() => {
                class.warnings.splice(0..0, self.warnings.iter().cloned());
                Ok(class)
            }
            Ok(_) => Err(ClassError::Invalid(InvalidClass {
                name: name.clone(),
                problems,
            })),
            Err(ClassError::Invalid(mut invalid)) => {
                if problems.iter().any(|problem| problem.field.path.is_list()) {
                    // The list is YAML of the file itself, not a text with its own lines.
                    for problem in &mut invalid.problems {
                        problem.field.place = None;
                    }
                }
                invalid.problems.splice(0..0, problems);
                Err(ClassError::Invalid(invalid))
            }
            Err(error) => Err(error),
        }
    }

    /// The place of a field in the file. What is written in a literal block (`objects: |`) has a line of its own; in any other
    /// text only the line within the text is known, which stays in the field.
    pub fn place(&self, field: &mut Field) -> Option<Place> {
        let node = self.node.nearest(&field.path.in_resource());
        if let Some(within) = field.place
            && let Value::String(_) = node.value
        {
            let Style::Literal(first) = node.style else {
                return node.place;
            };
            field.place = None;
            return Some(Place {
                line: first.line + within.line - 1,
                column: first.column + within.column - 1,
            });
        }
        field.place = None;
        node.place
    }
}

#[cfg(test)]
mod tests;
