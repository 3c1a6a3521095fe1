//! The entries of `templates`: files that are made of the other files of a class.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::field_path::Field;
use super::fields::Fields;
use super::findings::Findings;
use super::object::Object;
use super::output::File;
use super::problem::Problem;
use crate::templates::{self, Failure, Files, LONGEST_TEMPLATES, MOST};
use crate::words::nearest::nearest;
use crate::yaml::{self, Node};
use crate::{Class, FileContents, FileMode, FilePath, MadeFile, PathTranslation};

/// An entry of `templates`, valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The file that it makes.
    pub file: File,
    /// Its text.
    pub source: String,
}

/// Why a template could not be rendered; never with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {failure}")]
pub struct TemplateError {
    /// The template.
    pub field: Field,
    /// Why.
    pub failure: Failure,
}

impl Template {
    /// A field of this entry, for messages; an empty path is the entry itself.
    pub(crate) fn field(&self, path: &str) -> Field {
        let dot = if path.is_empty() { "" } else { "." };
        Field::new(format!("templates[{}]{dot}{path}", self.index))
    }
}

impl Class {
    /// Renders all templates with the contents of all other files, by name.
    pub fn render(
        &self,
        files: &BTreeMap<&str, &[u8]>,
    ) -> Result<Vec<MadeFile>, Vec<TemplateError>> {
        let mut made = Vec::new();
        let mut errors = Vec::new();
        for template in &self.templates {
            // Each notes its own missing name.
            let files = files.iter().map(|(name, bytes)| (*name, *bytes));
            let files = Arc::new(Files::of(files));
            match templates::render(&template.source, self.templates.len(), &files) {
                Ok(bytes) => made.push(MadeFile {
                    field: template.field(""),
                    is_new: false,
                    contents: FileContents {
                        file: template.file.clone(),
                        bytes,
                    },
                }),
                Err(failure) => errors.push(TemplateError {
                    field: template.field("template"),
                    failure,
                }),
            }
        }
        if errors.is_empty() {
            Ok(made)
        } else {
            Err(errors)
        }
    }
}

/// Reads the string `templates`.
pub(super) fn read(
    text: &str,
    translation: PathTranslation,
    findings: &mut Findings,
) -> Vec<Template> {
    if !are_short(text.len(), findings) {
        return Vec::new();
    }
    let entries = match yaml::parse(text) {
        Ok(Node::List(entries)) => entries,
        Ok(Node::Null) => return Vec::new(),
        Ok(other) => {
            let kind = other.kind();
            findings.problem(
                "templates",
                format!("must be a YAML list of objectAlias and template, not {kind}"),
            );
            return Vec::new();
        }
        Err(error) => {
            let mut problem = Problem::new("templates", format!("is not valid YAML: {error}"));
            problem.field.place = error.place;
            findings.push(problem);
            return Vec::new();
        }
    };
    if entries.len() > MOST {
        let count = entries.len();
        findings.problem(
            "templates",
            format!("has {count} entries, but can have at most {MOST}: use fewer templates"),
        );
        return Vec::new();
    }
    let entries = entries.iter().enumerate();
    let templates: Vec<Template> = entries
        .filter_map(|entry| template(entry, translation, findings))
        .collect();
    // Aliases repeat text.
    let length = templates.iter().map(|template| template.source.len());
    if are_short(length.sum(), findings) {
        templates
    } else {
        Vec::new()
    }
}

fn are_short(length: usize, findings: &mut Findings) -> bool {
    let is_short = length <= LONGEST_TEMPLATES;
    if !is_short {
        findings.problem(
            "templates",
            format!(
                "has {length} bytes, but can have at most {LONGEST_TEMPLATES}: use shorter templates"
            ),
        );
    }
    is_short
}

fn template(
    (index, node): (usize, &Node),
    translation: PathTranslation,
    findings: &mut Findings,
) -> Option<Template> {
    let entry = format!("templates[{index}]");
    let mut fields = Fields::of(node, entry.clone(), findings)?;
    let alias = fields.string("objectAlias");
    let source = fields.string("template");
    let permission = fields.string("filePermission");
    fields.warn_of_the_rest();
    let alias = alias.ok_or("is required: the name of the file that the template makes".to_owned());
    let path = alias.and_then(|alias| {
        FilePath::translate(&alias, translation).map_err(|error| error.of_object())
    });
    let path = findings.keep(format!("{entry}.objectAlias"), path);
    let source = source.ok_or("is required: the text of the file, such as {{ files[\"db\"] }}");
    let source = findings.keep(format!("{entry}.template"), source);
    let mode = match permission {
        Some(text) => findings.keep(format!("{entry}.filePermission"), text.parse()),
        None => Some(FileMode::DEFAULT),
    };
    Some(Template {
        index,
        file: File {
            path: path?,
            mode: mode?,
        },
        source: source?,
    })
}

/// Comparisons of names with patterns.
const MOST_COMPARED: usize = 20_000;

/// Checks the templates of a class: their syntax, and the files that they mention.
pub(super) fn check(objects: &[Object], templates: &[Template], findings: &mut Findings) {
    let files = objects.iter().flat_map(Object::files);
    let names: BTreeSet<&str> = files.map(|(file, _)| file.path.as_str()).collect();
    let open: Vec<_> = objects.iter().flat_map(Object::open_files).collect();
    let examples = Arc::new(Files::examples(names.iter().copied()));
    for template in templates {
        let field = template.field("template").path;
        let checked = templates::check(&template.source, templates.len(), &examples);
        let mentioned = match checked {
            Ok(mentioned) => mentioned,
            Err(failure) => {
                findings.problem(&field, failure.to_string());
                continue;
            }
        };
        let mut compared = 0;
        let unknown = mentioned.iter().find(|found| {
            if names.contains(found.name) {
                return false;
            }
            // The fetch finds the others.
            compared += open.len();
            compared <= MOST_COMPARED && !open.iter().any(|open| open.may_be(found.name))
        });
        // The others are most often the same mistake.
        if let Some(found) = unknown {
            let known: Vec<&str> = names.iter().copied().collect();
            let hint = match nearest(found.name, &known) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => "aws-secrets-injector check prints the files".to_owned(),
            };
            findings.problem(
                &field,
                format!(
                    "needs the file {:?}, which no entry of objects makes (line {} of the template): {hint}",
                    found.name, found.line
                ),
            );
        }
    }
}
