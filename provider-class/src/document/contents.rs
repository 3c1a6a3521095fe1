//! The contents of a file: its classes, its errors, and how many other resources it has.

use std::collections::BTreeMap;

use super::{Document, InvalidDocument, Number, resource};
use crate::words::name::shown;
use crate::yaml::{self, InvalidYaml, Loaded, NESTED_IN_FILE, Node, Value};
use crate::{GROUP, KIND};

/// The contents of a file.
#[derive(Debug, Default)]
pub struct Contents {
    /// Its classes.
    pub classes: Vec<Document>,
    /// Documents that should be classes but are not, and invalid YAML, where reading ends.
    pub errors: Vec<InvalidDocument>,
    /// How many resources of other kinds it has.
    pub others: BTreeMap<String, usize>,
}

impl Document {
    /// Reads all classes of a file, at least one; the first error counts.
    pub fn read_all(text: &str) -> Result<Vec<Self>, InvalidDocument> {
        let contents = Contents::read(text);
        if let Some(error) = contents.errors.into_iter().next() {
            return Err(error);
        }
        if contents.classes.is_empty() {
            let others = contents.others;
            return Err(InvalidDocument::Empty { others });
        }
        Ok(contents.classes)
    }
}

impl Contents {
    /// Reads a file up to the first invalid YAML.
    pub fn read(text: &str) -> Self {
        let mut contents = Self::default();
        let (documents, broken) = yaml::documents(text, NESTED_IN_FILE);
        let mut document = 0;
        for Loaded { node, fault, .. } in documents {
            if matches!(node.value, Value::Null) {
                continue;
            }
            document += 1;
            let (is_list, items) = items(node);
            for (index, item) in items.into_iter().enumerate() {
                let number = Number {
                    document,
                    item: is_list.then_some(index + 1),
                };
                contents.sort(item, number, fault.as_ref());
            }
        }
        if let Some(error) = broken {
            let number = Number {
                document: document + 1,
                item: None,
            };
            contents
                .errors
                .push(InvalidDocument::Yaml { number, error });
        }
        contents
    }

    /// Decides by a resource's kind what to do with it.
    fn sort(&mut self, node: Node, number: Number, fault: Option<&InvalidYaml>) {
        let is_ours = string(&node, "apiVersion")
            .strip_prefix(GROUP)
            .is_some_and(|rest| rest.starts_with('/'));
        let kind = string(&node, "kind");
        if kind == KIND {
            let read = match fault {
                Some(error) => Err(InvalidDocument::Yaml {
                    number,
                    error: error.clone(),
                }),
                None => resource::document(number, node),
            };
            match read {
                Ok(document) => self.classes.push(document),
                Err(error) => self.errors.push(error),
            }
        } else if kind.eq_ignore_ascii_case(KIND) || kind.is_empty() && is_ours {
            let kind = shown(kind);
            self.errors.push(InvalidDocument::Kind { number, kind });
        } else {
            let kind = match kind {
                "" => "without a kind".to_owned(),
                kind => kind.escape_debug().take(63).collect(),
            };
            *self.others.entry(kind).or_default() += 1;
        }
    }
}

/// A string of a resource; empty if it has none.
fn string<'a>(node: &'a Node, field: &str) -> &'a str {
    match node.get(field).map(|field| &field.value) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// Is it a list, as kubectl prints several resources, and its resources; or itself. Lists in lists are not opened.
fn items(mut node: Node) -> (bool, Vec<Node>) {
    if string(&node, "kind").ends_with("List")
        && let Value::Map(fields) = &mut node.value
        && let Some((_, items)) = fields.iter_mut().rev().find(|(name, _)| name == "items")
        && let Value::List(items) = &mut items.value
    {
        return (true, std::mem::take(items));
    }
    (false, vec![node])
}
