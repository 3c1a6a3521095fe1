//! From the list as it is written to valid Secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{SecretKey, SecretObject, secret_type};
use crate::class::field_path::{Field, SECRET_OBJECTS};
use crate::class::findings::Findings;
use crate::class::object::Object;
use crate::class::problem::Problem;
use crate::class::template::Template;
use crate::words::kubernetes::{
    InvalidForKubernetes, label_name, label_value, secret_key, secret_name,
};
use crate::words::listed::listed;
use crate::words::name::{cut, shown};
use crate::words::nearest::nearest;
use crate::{FilePath, PathTranslation, Presence};

/// Secrets of one class, and keys of all of them together.
const MOST_SECRETS: usize = 64;
const MOST_KEYS: usize = 1024;

/// Reads the list. Every problem names its Secret and field.
pub(crate) fn read(
    written: &[Value],
    objects: &[Object],
    templates: &[Template],
    findings: &mut Findings,
) -> Vec<SecretObject> {
    if written.is_empty() {
        return Vec::new();
    }
    if let Err(message) = bounded(written) {
        findings.problem(SECRET_OBJECTS, message);
        return Vec::new();
    }
    // An invalid object or template has no files: its own error comes first.
    let files = findings
        .problems
        .is_empty()
        .then(|| Files::of(objects, templates));
    let mut names = BTreeSet::new();
    let mut secrets = Vec::new();
    for (index, value) in written.iter().enumerate() {
        if findings.is_full() {
            break;
        }
        let mut reader = Reader {
            index,
            name: None,
            files: files.as_ref(),
            findings,
        };
        let Some(secret) = reader.secret(value) else {
            continue;
        };
        if names.insert(secret.name.clone()) {
            secrets.push(secret);
        } else {
            reader.problem(
                "secretName",
                "is the name of another entry, too: put all keys of a Secret into one entry",
            );
        }
    }
    secrets
}

/// Counts before anything is compared.
fn bounded(written: &[Value]) -> Result<(), String> {
    let secrets = written.len();
    if secrets > MOST_SECRETS {
        return Err(format!(
            "has {secrets} entries, but can have at most {MOST_SECRETS}: split the class"
        ));
    }
    let lists = ["data", "labels", "annotations"];
    let fields = written.iter().flat_map(|secret| {
        let of_secret = secret.as_object().map_or(0, Map::len);
        let of_lists = lists.iter().map(|list| match secret.get(list) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(fields)) => fields.len(),
            _ => 0,
        });
        of_lists.chain([of_secret])
    });
    let count: usize = fields.sum();
    if count > MOST_KEYS {
        return Err(format!(
            "has {count} keys, labels and annotations, but can have at most {MOST_KEYS}: split the class"
        ));
    }
    Ok(())
}

/// The files of the class.
struct Files<'a> {
    /// The objects with files of which the names are known only at fetch.
    open: Vec<&'a Object>,
    /// Those whose names are known.
    by_path: BTreeMap<&'a str, (&'a FilePath, Presence)>,
    /// The file of each objectName.
    by_object: BTreeMap<&'a str, &'a FilePath>,
}

impl<'a> Files<'a> {
    fn of(objects: &'a [Object], templates: &'a [Template]) -> Self {
        let made = templates
            .iter()
            .map(|template| (&template.file, Presence::Required));
        let files = objects.iter().flat_map(Object::files).chain(made);
        let whole = objects.iter().filter_map(|object| {
            let file = object.whole.as_ref()?.file()?;
            Some((object.name.as_str(), &file.path))
        });
        let has_open = |object: &&Object| object.open_files().next().is_some();
        Self {
            open: objects.iter().filter(has_open).collect(),
            by_path: files
                .map(|(file, presence)| (file.path.as_str(), (&file.path, presence)))
                .collect(),
            by_object: whole.collect(),
        }
    }

    fn find(&self, name: &str) -> Result<(FilePath, Presence), String> {
        if let Some((path, presence)) = self.by_path.get(name) {
            return Ok((FilePath::clone(path), *presence));
        }
        if let Some(path) = self.by_object.get(name) {
            return Err(format!(
                "must be the name of the file of this object: write {}",
                shown(path.as_str())
            ));
        }
        let presences = self.open.iter().filter_map(|object| object.presence(name));
        if let Some(presence) = presences.min() {
            // The name of a file is translated already.
            let path = FilePath::translate(name, PathTranslation::Off);
            return path
                .map(|path| (path, presence))
                .map_err(|error| error.to_string());
        }
        Err(format!(
            "the class has no file {}; its files are {}",
            shown(name),
            self.list()
        ))
    }

    fn list(&self) -> String {
        let known = self.by_path.keys().map(|path| (*path).to_owned());
        let open = self.open.iter().copied().flat_map(Object::open_files);
        let names: Vec<String> = known.chain(open.map(ToString::to_string)).collect();
        listed(&names)
    }
}

/// Reads one entry.
struct Reader<'a> {
    index: usize,
    /// Its name, for messages.
    name: Option<String>,
    files: Option<&'a Files<'a>>,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn secret(&mut self, value: &Value) -> Option<SecretObject> {
        let Value::Object(fields) = value else {
            self.problem("", "must be a mapping with secretName, type and data");
            return None;
        };
        self.name = fields
            .get("secretName")
            .and_then(Value::as_str)
            .map(|name| cut(name.trim()));
        self.warn_of_unknown(
            "",
            fields,
            &["secretName", "type", "data", "labels", "annotations"],
        );
        let name = self.required(fields, "secretName", "the name of the Secret");
        let name = name.and_then(|name| self.keep("secretName", secret_name(&name)));
        let secret_type = self.required(fields, "type", "the type of the Secret, such as Opaque");
        let secret_type = secret_type
            .and_then(|text| self.keep("type", secret_type::check(&text).map(|()| text)));
        if let Some(written) = &secret_type
            && let Some(meant) = secret_type::meant(written)
        {
            let message = format!("is {}: did you mean {meant}?", shown(written));
            self.warning("type", message);
        }
        let labels = self.words(fields, "labels", |value| label_value(value).map(drop));
        let annotations = self.words(fields, "annotations", |_| Ok(()));
        let data = self.data(fields)?;
        let keys: Vec<&str> = data.iter().map(|data| data.key.as_str()).collect();
        let secret_type = secret_type?;
        self.keep("data", secret_type::check_keys(&secret_type, &keys))?;
        Some(SecretObject {
            name: name?,
            secret_type,
            labels: labels?,
            annotations: annotations?,
            data,
        })
    }

    /// The keys with their files; `None` if one of them is wrong.
    fn data(&mut self, fields: &Map<String, Value>) -> Option<Vec<SecretKey>> {
        let items = match fields.get("data") {
            Some(Value::Array(items)) if !items.is_empty() => items,
            None | Some(Value::Null | Value::Array(_)) => {
                self.problem(
                    "data",
                    "is required: list the keys of the Secret, each with objectName and key",
                );
                return None;
            }
            Some(_) => {
                self.problem("data", "must be a list of objectName and key");
                return None;
            }
        };
        let mut keys = BTreeSet::new();
        let mut data = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if self.findings.is_full() {
                return None;
            }
            let Some(item) = self.item(index, item) else {
                continue;
            };
            if keys.insert(item.key.clone()) {
                data.push(item);
            } else {
                self.problem(
                    &format!("data[{index}].key"),
                    "is the key of another item, too: remove one, or give it another key",
                );
            }
        }
        (data.len() == items.len()).then_some(data)
    }

    fn item(&mut self, index: usize, item: &Value) -> Option<SecretKey> {
        let path = format!("data[{index}]");
        let Value::Object(fields) = item else {
            self.problem(&path, "must be a mapping with objectName and key");
            return None;
        };
        self.warn_of_unknown(&path, fields, &["objectName", "key"]);
        let file_field = format!("{path}.objectName");
        let name = self.required(fields, &file_field, "the name of a file of the class");
        let file = match (name, self.files) {
            (Some(name), Some(files)) => self.keep(&file_field, files.find(&name)),
            _ => None,
        };
        let key_field = format!("{path}.key");
        let key = self.required(fields, &key_field, "the key in the Secret");
        let key = key.and_then(|key| self.keep(&key_field, secret_key(&key)));
        let (file, presence) = file?;
        Some(SecretKey {
            key: key?,
            file,
            presence,
        })
    }

    /// The text of a field, without the whitespace around it, as the driver reads it.
    fn required(&mut self, fields: &Map<String, Value>, path: &str, what: &str) -> Option<String> {
        let name = path.rsplit('.').next().unwrap_or(path);
        match fields.get(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            None | Some(Value::Null | Value::String(_)) => {
                self.problem(path, format!("is required: {what}"));
                None
            }
            Some(_) => {
                self.problem(path, "must be a string");
                None
            }
        }
    }

    /// Labels or annotations.
    fn words(
        &mut self,
        fields: &Map<String, Value>,
        field: &str,
        check: impl Fn(&str) -> Result<(), InvalidForKubernetes>,
    ) -> Option<BTreeMap<String, String>> {
        let written = match fields.get(field) {
            None | Some(Value::Null) => return Some(BTreeMap::new()),
            Some(Value::Object(written)) => written,
            Some(_) => {
                self.problem(field, "must be a mapping of strings");
                return None;
            }
        };
        let mut words = BTreeMap::new();
        for (name, value) in written {
            let Value::String(value) = value else {
                self.problem(
                    field,
                    format!("the value of {} must be a string", shown(name)),
                );
                continue;
            };
            let name = label_name(name).and_then(|name| check(value).map(|()| name));
            if let Some(name) = self.keep(field, name) {
                words.insert(name, value.clone());
            }
        }
        (words.len() == written.len()).then_some(words)
    }

    fn warn_of_unknown(&mut self, path: &str, fields: &Map<String, Value>, known: &[&str]) {
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            if !self.findings.has_room_for_warnings() {
                return;
            }
            let hint = nearest(name, known)
                .map(|meant| format!(": did you mean {meant}?"))
                .unwrap_or_default();
            let dot = if path.is_empty() { "" } else { "." };
            self.warning(
                &format!("{path}{dot}{name}"),
                format!("is not a known field and is ignored{hint}"),
            );
        }
    }

    fn keep<T, E: ToString>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(path, error.to_string());
                None
            }
        }
    }

    fn problem(&mut self, path: &str, message: impl Into<String>) {
        let problem = self.about(path, message);
        self.findings.push(problem);
    }

    fn warning(&mut self, path: &str, message: impl Into<String>) {
        let problem = self.about(path, message);
        self.findings.push_warning(problem);
    }

    fn about(&self, path: &str, message: impl Into<String>) -> Problem {
        let dot = if path.is_empty() { "" } else { "." };
        let mut problem = Problem::new(
            format!("{SECRET_OBJECTS}[{}]{dot}{path}", self.index),
            message,
        );
        problem.field = Field {
            object: self.name.clone(),
            ..problem.field
        };
        problem
    }
}
