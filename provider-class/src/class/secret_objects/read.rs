//! From the list as it is written to valid Secrets.

use std::collections::{BTreeMap, BTreeSet};

use super::{SecretKey, SecretObject, secret_type};
use crate::class::cursor::{Cursor, Fields};
use crate::class::field_path::{Path, Root, SECRET_OBJECTS};
use crate::class::findings::Findings;
use crate::class::object::Object;
use crate::class::template::Template;
use crate::words::kubernetes::{
    InvalidForKubernetes, label_name, label_value, secret_key, secret_name,
};
use crate::words::listed::listed;
use crate::words::name::shown;
use crate::yaml::{Node, Value};
use crate::{FilePath, PathTranslation, Presence};

/// Annotations that the injector writes itself start with this.
const OWN_PREFIX: &str = "aws-secrets-injector.io/";

/// Secrets of one class, and keys of all of them together.
const MOST_SECRETS: usize = 64;
const MOST_KEYS: usize = 1024;

/// Reads the list. Every problem names its Secret and field.
pub(crate) fn read<'a>(
    node: &'a Node,
    objects: &'a [Object],
    templates: &'a [Template],
    findings: &'a Findings<'a>,
) -> Vec<SecretObject> {
    let list = Cursor::new(node, Path::new(Root::Spec, SECRET_OBJECTS), findings);
    let Value::List(entries) = &node.value else {
        return Vec::new();
    };
    if list.keep(bounded(entries)).is_none() {
        return Vec::new();
    }
    // An invalid object or template has no files: its own error comes first.
    let files = findings.is_valid().then(|| Files::of(objects, templates));
    let mut names = BTreeSet::new();
    let mut secrets = Vec::new();
    for (_, entry) in list
        .items("must be a list of secretName, type and data")
        .into_iter()
        .flatten()
    {
        let name = entry.path.key("secretName");
        let Some(secret) = secret(entry, files.as_ref()) else {
            continue;
        };
        if names.insert(secret.name.clone()) {
            secrets.push(secret);
        } else {
            findings.problem(
                &name,
                "is the name of another entry, too: put all keys of a Secret into one entry",
            );
        }
    }
    secrets
}

/// Counts before anything is compared.
fn bounded(entries: &[Node]) -> Result<(), String> {
    let secrets = entries.len();
    if secrets > MOST_SECRETS {
        return Err(format!(
            "has {secrets} entries, but can have at most {MOST_SECRETS}: split the class"
        ));
    }
    let length = |node: &Node| match &node.value {
        Value::List(items) => items.len(),
        _ => node.fields().len(),
    };
    let of_entry = |entry: &Node| {
        let fields = entry.fields().iter();
        length(entry) + fields.map(|(_, field)| length(field)).sum::<usize>()
    };
    let count: usize = entries.iter().map(of_entry).sum();
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
fn secret<'a>(entry: Cursor<'a>, files: Option<&Files<'a>>) -> Option<SecretObject> {
    let mut fields = entry
        .fields("must be a mapping with secretName, type and data")?
        .exact();
    let name = string(&mut fields, "secretName", "the name of the Secret");
    let name = name.and_then(|name| fields.keep("secretName", secret_name(name)));
    let secret_type = string(
        &mut fields,
        "type",
        "the type of the Secret, such as Opaque",
    );
    let secret_type =
        secret_type.and_then(|text| fields.keep("type", secret_type::check(text).map(|()| text)));
    if let Some(written) = secret_type
        && let Some(meant) = secret_type::meant(written)
    {
        let message = format!("is {}: did you mean {meant}?", shown(written));
        fields.warning("type", message);
    }
    let labels = words(fields.take("labels"), |value| label_value(value).map(drop));
    let annotations = words(fields.take("annotations"), |_| Ok(()));
    if annotations
        .as_ref()
        .is_some_and(|words| words.keys().any(|name| name.starts_with(OWN_PREFIX)))
    {
        fields.problem(
            "annotations",
            "names that start with \"aws-secrets-injector.io/\" are reserved: remove them",
        );
    }
    let data = fields.take("data");
    fields.finish();
    let data = match data {
        Some(data) => self::data(&data, files)?,
        None => Vec::new(),
    };
    if data.is_empty() {
        fields.missing(
            "data",
            "is required: list the keys of the Secret, each with objectName and key",
        );
        return None;
    }
    let keys: Vec<&str> = data.iter().map(|data| data.key.as_str()).collect();
    let secret_type = secret_type?;
    fields.keep("data", secret_type::check_keys(secret_type, &keys))?;
    Some(SecretObject {
        name: name?,
        secret_type: secret_type.to_owned(),
        labels: labels?,
        annotations: annotations?,
        data,
    })
}

/// The keys with their files; `None` if one of them is wrong.
fn data<'a>(list: &Cursor<'a>, files: Option<&Files<'a>>) -> Option<Vec<SecretKey>> {
    let mut keys = BTreeSet::new();
    let mut data = Vec::new();
    let mut are_valid = true;
    for (_, item) in list.items("must be a list of objectName and key")? {
        let path = item.path.key("key");
        match self::item(item, files) {
            Some(item) if keys.insert(item.key.clone()) => data.push(item),
            Some(_) => {
                are_valid = false;
                list.findings.problem(
                    &path,
                    "is the key of another item, too: remove one, or give it another key",
                );
            }
            None => are_valid = false,
        }
    }
    are_valid.then_some(data)
}

fn item<'a>(item: Cursor<'a>, files: Option<&Files<'a>>) -> Option<SecretKey> {
    let mut fields = item
        .fields("must be a mapping with objectName and key")?
        .exact();
    let name = string(&mut fields, "objectName", "the name of a file of the class");
    let file = match (name, files) {
        (Some(name), Some(files)) => fields.keep("objectName", files.find(name)),
        _ => None,
    };
    let key = string(&mut fields, "key", "the key in the Secret");
    let key = key.and_then(|key| fields.keep("key", secret_key(key)));
    fields.finish();
    let (file, presence) = file?;
    Some(SecretKey {
        key: key?,
        file,
        presence,
    })
}

/// The text of a field, without the whitespace around it, as the driver reads it. Kubernetes takes only strings.
fn string<'a>(fields: &mut Fields<'a>, name: &'static str, what: &str) -> Option<&'a str> {
    let text = match fields.take(name).map(|field| &field.node.value) {
        Some(Value::String(text)) => text.trim(),
        None => "",
        Some(_) => {
            fields.problem(name, "must be a string: quote numbers and booleans");
            return None;
        }
    };
    if text.is_empty() {
        fields.missing(name, &format!("is required: {what}"));
        return None;
    }
    Some(text)
}

/// Labels or annotations.
fn words(
    field: Option<Cursor<'_>>,
    check: impl Fn(&str) -> Result<(), InvalidForKubernetes>,
) -> Option<BTreeMap<String, String>> {
    let Some(field) = field else {
        return Some(BTreeMap::new());
    };
    let Value::Map(written) = &field.node.value else {
        field.problem("must be a mapping of strings");
        return None;
    };
    let mut words = BTreeMap::new();
    for (name, value) in written {
        let Value::String(value) = &value.value else {
            field.problem(format!(
                "the value of {} must be a string: quote numbers and booleans",
                shown(name)
            ));
            continue;
        };
        let name = label_name(name).and_then(|name| check(value).map(|()| name));
        if let Some(name) = field.keep(name) {
            words.insert(name, value.clone());
        }
    }
    (words.len() == written.len()).then_some(words)
}
