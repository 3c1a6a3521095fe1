//! The entries of `templates`: files that are made of the files of `objects`.

use std::collections::BTreeMap;

use super::cursor::{Cursor, Fields};
use super::field_path::{Field, Path, TEMPLATES};
use super::findings::Findings;
use super::object::Object;
use super::output::{File, OpenFiles, Presence};
use crate::templates::{self, Document, MAX_TEMPLATES, MAX_TEMPLATES_BYTES, Part, Placeholder};
use crate::words::boolean::boolean;
use crate::words::name::shown;
use crate::words::nearest::nearest;
use crate::yaml::{Node, Value};
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
    fn path(&self) -> Path {
        Path::parameter(TEMPLATES).index(self.index)
    }

    /// This entry, for messages.
    pub(crate) fn field(&self) -> Field {
        self.path().into()
    }

    /// The field that says what it writes.
    pub(crate) fn body_field(&self) -> Field {
        let name = match self.body {
            Body::Text(_) => "template",
            Body::Document(_) => "format",
        };
        self.path().key(name).into()
    }
}

/// Reads the list `templates`.
pub(super) fn read<'a>(
    node: &'a Node,
    translation: PathTranslation,
    findings: &'a Findings<'a>,
) -> Vec<Template> {
    let list = Cursor::new(node, Path::parameter(TEMPLATES), findings);
    if let Value::List(entries) = &node.value
        && entries.len() > MAX_TEMPLATES
    {
        let count = entries.len();
        list.problem(format!(
            "has {count} entries, but can have at most {MAX_TEMPLATES}: use fewer templates"
        ));
        return Vec::new();
    }
    if matches!(node.value, Value::Null) {
        return Vec::new();
    }
    let Some(entries) = list.items("must be a YAML list of objectAlias and template or format")
    else {
        return Vec::new();
    };
    let mut reader = Reader {
        translation,
        length: 0,
    };
    let templates = entries
        .filter_map(|(index, entry)| reader.template(index, entry))
        .collect();
    // Aliases repeat text.
    if list.keep(check_length(reader.length)).is_some() {
        templates
    } else {
        Vec::new()
    }
}

/// Checks the bytes of all templates.
pub(super) fn check_length(length: usize) -> Result<(), String> {
    if length <= MAX_TEMPLATES_BYTES {
        return Ok(());
    }
    Err(format!(
        "has {length} bytes, but can have at most {MAX_TEMPLATES_BYTES}: use shorter templates"
    ))
}

/// Reads entries, one by one.
struct Reader {
    translation: PathTranslation,
    /// Bytes of all templates and names of files.
    length: usize,
}

impl Reader {
    fn template(&mut self, index: usize, entry: Cursor<'_>) -> Option<Template> {
        let mut fields = entry.fields("must be a mapping of fields (\"objectAlias: …\")")?;
        let alias = fields.required(
            "objectAlias",
            "is required: the name of the file that the template makes",
        );
        let path = alias.and_then(|alias| {
            let path = FilePath::translate(alias, self.translation);
            fields.keep("objectAlias", path.map_err(|error| error.of_object()))
        });
        let mode = fields.parsed("filePermission", str::parse);
        let source = fields.text("template");
        let format = fields.text("format");
        let uppercase = fields.take("uppercase");
        let files = fields.take("files");
        fields.finish();
        let body = match (source, format) {
            (Some(source), None) => {
                if files.is_some() || uppercase.is_some() {
                    fields.at.problem("has files or uppercase, which need a format: remove them, or replace template with format");
                }
                self.text(&fields, source)
            }
            (None, Some(format)) => self.document(&fields, format, files, uppercase),
            (Some(_), Some(_)) => {
                fields
                    .at
                    .problem("has both template and format: remove one of them");
                None
            }
            (None, None) => {
                let message = "is required: the text of the file, such as {{ files[\"db\"] }}; or write a format: dotenv, json, properties, shell or yaml";
                fields.missing("template", message);
                None
            }
        };
        Some(Template {
            index,
            file: File {
                path: path?,
                mode: mode?.unwrap_or(FileMode::DEFAULT),
            },
            body: body?,
        })
    }

    fn text(&mut self, fields: &Fields<'_>, source: &str) -> Option<Body> {
        self.length += source.len();
        if self.length > MAX_TEMPLATES_BYTES {
            return None;
        }
        let parts = templates::parse(source).map_err(|mistake| mistake.to_string());
        fields.keep("template", parts).map(Body::Text)
    }

    fn document(
        &mut self,
        fields: &Fields<'_>,
        format: &str,
        files: Option<Cursor<'_>>,
        uppercase: Option<Cursor<'_>>,
    ) -> Option<Body> {
        let format = fields.keep("format", format.parse());
        let uppercase = match uppercase {
            Some(uppercase) => match uppercase.text()? {
                "" => Some(false),
                text => uppercase.keep(boolean(text)),
            },
            None => Some(false),
        };
        let files = match files {
            Some(files) => Some(self.names(&files)?),
            None => None,
        };
        Some(Body::Document(Document {
            format: format?,
            files,
            uppercase: uppercase?,
        }))
    }

    fn names(&mut self, files: &Cursor<'_>) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for (_, file) in files.items("must be a list of names of files, such as [NAME, NAME]")? {
            let Some(name) = file.node.text() else {
                let kind = file.node.kind();
                file.problem(format!("must be the name of a file, not {kind}"));
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
pub(super) fn check(objects: &[Object], templates: &[Template], findings: &Findings<'_>) {
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
            &Path::parameter(TEMPLATES),
            "names too many files that are known only at fetch, so not all names were checked: use shorter templates, or fewer jsonKeys and objectPath",
        );
    }
}

struct Check<'a> {
    /// The names that were looked for among the open ones, and whether one may be it.
    known: BTreeMap<String, bool>,
    names: BTreeMap<&'a str, Presence>,
    open: Vec<&'a OpenFiles>,
    compared: usize,
    is_hint_given: bool,
    findings: &'a Findings<'a>,
}

impl Check<'_> {
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
                self.findings.problem(&field, message);
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
            self.findings.warning(&field, message);
        }
    }

    fn document(&mut self, template: &Template, document: &Document) {
        let names: Vec<&str> = match &document.files {
            Some(files) => files.iter().map(String::as_str).collect(),
            None => self.names.keys().copied().collect(),
        };
        for (index, name) in names.iter().enumerate() {
            if let Some(unknown) = self.unknown(name) {
                let path = template.path().key("files").index(index);
                self.findings.problem(&path, unknown);
                return;
            }
        }
        if let Err(reason) = document.keys(names.into_iter()) {
            self.findings.problem(&template.body_field().path, reason);
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
