//! The entries of `templates`: files that are made of the files of `objects`.

use std::collections::BTreeMap;

use super::field_path::Field;
use super::fields::Fields;
use super::findings::Findings;
use super::object::Object;
use super::output::{File, OpenFiles, Presence};
use super::problem::Problem;
use crate::templates::{self, Document, MAX_TEMPLATES, MAX_TEMPLATES_BYTES, Part, Placeholder};
use crate::words::boolean::boolean;
use crate::words::name::shown;
use crate::words::nearest::nearest;
use crate::yaml::{self, Node, Value};
use crate::{FileMode, FilePath, PathTranslation};

/// An entry of `templates`, valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The file that it makes.
    pub file: File,
    pub(crate) body: Body,
}

/// What a template writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Text with placeholders.
    Text(Vec<Part>),
    /// Files in a format.
    Document(Document),
}

impl Template {
    /// A field of this entry, for messages; an empty path is the entry itself.
    pub(crate) fn field(&self, path: &str) -> Field {
        let dot = if path.is_empty() { "" } else { "." };
        Field::new(format!("templates[{}]{dot}{path}", self.index))
    }

    /// The field that says what it writes.
    pub(crate) fn body_field(&self) -> Field {
        self.field(match self.body {
            Body::Text(_) => "template",
            Body::Document(_) => "format",
        })
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
    let entries = match yaml::parse(text).map(|node| (node.kind(), node.value)) {
        Ok((_, Value::List(entries))) => entries,
        Ok((_, Value::Null)) => return Vec::new(),
        Ok((kind, _)) => {
            findings.problem(
                "templates",
                format!("must be a YAML list of objectAlias and template or format, not {kind}"),
            );
            return Vec::new();
        }
        Err(error) => {
            let mut problem = Problem::new("templates", format!("is not valid YAML: {error}"));
            problem.field.place = Some(error.place);
            findings.push(problem);
            return Vec::new();
        }
    };
    if entries.len() > MAX_TEMPLATES {
        let count = entries.len();
        findings.problem(
            "templates",
            format!(
                "has {count} entries, but can have at most {MAX_TEMPLATES}: use fewer templates"
            ),
        );
        return Vec::new();
    }
    let mut reader = Reader {
        translation,
        findings,
        length: 0,
    };
    let entries = entries.iter().enumerate();
    let templates = entries.filter_map(|entry| reader.template(entry)).collect();
    // Aliases repeat text.
    if are_short(reader.length, findings) {
        templates
    } else {
        Vec::new()
    }
}

fn are_short(length: usize, findings: &mut Findings) -> bool {
    let is_short = length <= MAX_TEMPLATES_BYTES;
    if !is_short {
        findings.problem(
            "templates",
            format!(
                "has {length} bytes, but can have at most {MAX_TEMPLATES_BYTES}: use shorter templates"
            ),
        );
    }
    is_short
}

/// Reads entries, one by one.
struct Reader<'f> {
    translation: PathTranslation,
    findings: &'f mut Findings,
    /// Bytes of all templates and names of files.
    length: usize,
}

impl Reader<'_> {
    fn template(&mut self, (index, node): (usize, &Node)) -> Option<Template> {
        let entry = format!("templates[{index}]");
        let mut fields = Fields::of(node, entry.clone(), self.findings)?;
        let alias = fields.string("objectAlias");
        let permission = fields.string("filePermission");
        let source = fields.string("template");
        let format = fields.string("format");
        let uppercase = fields.string("uppercase");
        let files = fields.node("files");
        fields.warn_of_the_rest();
        let alias =
            alias.ok_or("is required: the name of the file that the template makes".to_owned());
        let path = alias.and_then(|alias| {
            FilePath::translate(&alias, self.translation).map_err(|error| error.of_object())
        });
        let path = self.findings.keep(format!("{entry}.objectAlias"), path);
        let mode = match permission {
            Some(text) => {
                let mode = text.parse();
                self.findings.keep(format!("{entry}.filePermission"), mode)
            }
            None => Some(FileMode::DEFAULT),
        };
        let body = match (source, format) {
            (Some(source), None) => {
                if files.is_some() || uppercase.is_some() {
                    let message = "has files or uppercase, which need a format: remove them, or replace template with format";
                    self.findings.problem(&entry, message);
                }
                self.text(&entry, &source)
            }
            (None, Some(format)) => self.document(&entry, &format, files, uppercase.as_deref()),
            (Some(_), Some(_)) => {
                let message = "has both template and format: remove one of them";
                self.findings.problem(&entry, message);
                None
            }
            (None, None) => {
                let message = "is required: the text of the file, such as {{ files[\"db\"] }}; or write a format: dotenv, json, properties, shell or yaml";
                self.findings.problem(format!("{entry}.template"), message);
                None
            }
        };
        Some(Template {
            index,
            file: File {
                path: path?,
                mode: mode?,
            },
            body: body?,
        })
    }

    fn text(&mut self, entry: &str, source: &str) -> Option<Body> {
        self.length += source.len();
        if self.length > MAX_TEMPLATES_BYTES {
            return None;
        }
        let parts = templates::parse(source).map_err(|mistake| mistake.to_string());
        let parts = self.findings.keep(format!("{entry}.template"), parts)?;
        Some(Body::Text(parts))
    }

    fn document(
        &mut self,
        entry: &str,
        format: &str,
        files: Option<&Node>,
        uppercase: Option<&str>,
    ) -> Option<Body> {
        let format = self
            .findings
            .keep(format!("{entry}.format"), format.parse());
        let uppercase = self.findings.keep(
            format!("{entry}.uppercase"),
            uppercase.map_or(Ok(false), boolean),
        );
        let files = match files {
            Some(files) => Some(self.names(entry, files)?),
            None => None,
        };
        Some(Body::Document(Document {
            format: format?,
            files,
            uppercase: uppercase?,
        }))
    }

    fn names(&mut self, entry: &str, files: &Node) -> Option<Vec<String>> {
        let path = format!("{entry}.files");
        let Value::List(list) = &files.value else {
            let message = format!(
                "must be a list of names of files, not {}: write [NAME, NAME]",
                files.kind()
            );
            self.findings.problem(path, message);
            return None;
        };
        let mut names = Vec::new();
        for (index, node) in list.iter().enumerate() {
            let Some(name) = node.text() else {
                let message = format!("must be the name of a file, not {}", node.kind());
                self.findings.problem(format!("{path}[{index}]"), message);
                return None;
            };
            self.length += name.len() + 1;
            if self.length > MAX_TEMPLATES_BYTES {
                return None;
            }
            names.push(name.to_owned());
        }
        Some(names)
    }
}

/// Comparisons of names with patterns.
const MAX_COMPARISONS: usize = 20_000;

/// Checks the templates of a class: the files that they need.
pub(super) fn check(objects: &[Object], templates: &[Template], findings: &mut Findings) {
    let mut check = Check {
        names: objects
            .iter()
            .flat_map(Object::files)
            .map(|(file, presence)| (file.path.as_str(), presence))
            .collect(),
        open: objects.iter().flat_map(Object::open_files).collect(),
        known: BTreeMap::new(),
        compared: 0,
        is_hint_given: false,
        findings,
    };
    for template in templates {
        match &template.body {
            Body::Text(parts) => check.text(template, parts),
            Body::Document(document) => check.document(template, document),
        }
    }
    if check.compared > MAX_COMPARISONS {
        findings.warning(
            "templates",
            "names too many files that are known only at fetch, so not all names were checked: use shorter templates, or fewer jsonKeys and objectPath",
        );
    }
}

struct Check<'a, 'f> {
    /// The names that were looked for among the open ones, and whether one may be it.
    known: BTreeMap<String, bool>,
    names: BTreeMap<&'a str, Presence>,
    open: Vec<&'a OpenFiles>,
    compared: usize,
    is_hint_given: bool,
    findings: &'f mut Findings,
}

impl Check<'_, '_> {
    /// Reports the first unknown file, or else the first optional one without a default: the others are most often the same
    /// mistake.
    fn text(&mut self, template: &Template, parts: &[Part]) {
        let field = template.body_field().path;
        let placeholders = parts.iter().filter_map(|part| match part {
            Part::Placeholder(placeholder) => Some(placeholder),
            Part::Text(_) => None,
        });
        let mut optional = None;
        for placeholder in placeholders {
            if let Some(unknown) = self.unknown(&placeholder.name) {
                let message = format!("{unknown} ({})", placeholder.at);
                self.findings.problem(field, message);
                return;
            }
            let presence = self.names.get(placeholder.name.as_str());
            if presence == Some(&Presence::Optional) && !placeholder.has_default() {
                optional.get_or_insert(placeholder);
            }
        }
        if let Some(Placeholder { name, at, .. }) = optional {
            let message = format!(
                "needs the optional file {}, and pods do not start while it is missing: add | default(\"\") ({at})",
                shown(name)
            );
            self.findings.warning(field, message);
        }
    }

    fn document(&mut self, template: &Template, document: &Document) {
        let names: Vec<&str> = match &document.files {
            Some(files) => files.iter().map(String::as_str).collect(),
            None => self.names.keys().copied().collect(),
        };
        for (index, name) in names.iter().enumerate() {
            if let Some(unknown) = self.unknown(name) {
                let field = template.field(&format!("files[{index}]"));
                self.findings.problem(field.path, unknown);
                return;
            }
        }
        if let Err(reason) = document.keys(names.into_iter()) {
            self.findings.problem(template.body_field().path, reason);
        }
    }

    /// What is wrong with a name that no entry makes.
    fn unknown(&mut self, name: &str) -> Option<String> {
        if self.names.contains_key(name) {
            return None;
        }
        if !self.known.contains_key(name) {
            // The fetch finds the others.
            self.compared += self.open.len();
            let may_be =
                self.compared > MAX_COMPARISONS || self.open.iter().any(|open| open.may_be(name));
            self.known.insert(name.to_owned(), may_be);
        }
        if self.known.get(name) == Some(&true) {
            return None;
        }
        let is_first = !std::mem::replace(&mut self.is_hint_given, true);
        let meant = is_first
            .then(|| nearest(name, &self.names.keys().copied().collect::<Vec<_>>()))
            .flatten();
        let hint = match meant {
            Some(meant) => format!("did you mean {}?", shown(meant)),
            None => "aws-secrets-injector check prints the files".to_owned(),
        };
        Some(format!(
            "needs the file {}, which no entry of objects makes: {hint}",
            shown(name)
        ))
    }
}
