//! YAML as AWS's provider reads it (Go's `sigs.k8s.io/yaml`), which differs from serde's usual reading: numbers and booleans
//! are taken as strings, `null` is unset, the last of equal keys counts, and `<<` merges mappings.
//!
//! A text is read once, to a tree of [`Node`]s that know their places. Its size is bounded before anything is copied.

mod load;
mod scalar;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value as Json;

pub(crate) use load::{Loaded, documents};
pub(crate) use scalar::is_string_for_go;

/// A line and a column of a text, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A value of a YAML text.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where a message about it points: to the name of a field, or to the first field of a mapping. None in JSON.
    pub place: Option<Place>,
    /// How it is written.
    pub(crate) style: Style,
}

/// A YAML value, with scalars in the text form that Go's reader gives to a string field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean or a number, as text.
    Scalar(String),
    /// A string.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in document order, with what `<<` brought in; a key may occur twice.
    Map(Vec<(String, Node)>),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes, or not a scalar.
    Plain,
    /// In quotes, or as a folded block.
    Quoted,
    /// As a literal block (`|`), whose first line begins here.
    Literal(Place),
}

/// A step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An item of a list, from 0.
    Index(usize),
    /// A field of a mapping.
    Key(Cow<'static, str>),
}

impl Node {
    /// The value of a mapping's field; the last one, if the field occurs twice.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let mut fields = self.fields().iter().rev();
        fields.find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The same in any letter case.
    pub(crate) fn get_in_any_case(&self, key: &str) -> Option<&Self> {
        self.get(key).or_else(|| {
            let mut fields = self.fields().iter().rev();
            let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(key));
            found.map(|(_, value)| value)
        })
    }

    /// The fields of a mapping; none of anything else.
    pub fn fields(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(fields) => fields,
            _ => &[],
        }
    }

    /// A string, or the text of a number or boolean.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) | Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// What this is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Scalar(_) => "a number or boolean",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value at the end of the steps, or the nearest one above it that exists.
    pub(crate) fn nearest(&self, steps: &[Step]) -> &Self {
        let Some((step, rest)) = steps.split_first() else {
            return self;
        };
        let part = match (step, &self.value) {
            (Step::Index(index), Value::List(items)) => items.get(*index),
            (Step::Key(key), _) => self.get_in_any_case(key),
            _ => None,
        };
        part.map_or(self, |part| part.nearest(rest))
    }

    /// Is it a string for Kubernetes, too? kubectl reads YAML 1.1, in which `on` is a boolean and `0400` a number.
    pub(crate) fn is_string_in_kubernetes(&self) -> bool {
        match &self.value {
            Value::String(text) => self.style != Style::Plain || is_string_for_go(text),
            _ => false,
        }
    }

    /// Is it a string here, but a boolean or number of YAML 1.1 for Go's reader, which then gives another text to a string field?
    pub(crate) fn differs_in_go(&self) -> bool {
        matches!(self.value, Value::String(_)) && !self.is_string_in_kubernetes()
    }

    /// The same as JSON, where `text` makes a value of each scalar.
    pub(crate) fn to_json(&self, text: fn(&Self, &str) -> Json) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::String(own) | Value::Scalar(own) => text(self, own),
            Value::List(items) => items.iter().map(|item| item.to_json(text)).collect(),
            Value::Map(fields) => {
                let fields = fields.iter();
                Json::Object(
                    fields
                        .map(|(key, value)| (key.clone(), value.to_json(text)))
                        .collect(),
                )
            }
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Value::Null.into()
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self {
            value,
            place: None,
            style: Style::Quoted,
        }
    }
}

impl From<&BTreeMap<String, String>> for Node {
    fn from(texts: &BTreeMap<String, String>) -> Self {
        let texts = texts.iter();
        let fields = texts.map(|(key, text)| (key.clone(), Value::String(text.clone()).into()));
        Value::Map(fields.collect()).into()
    }
}

impl From<&[Json]> for Node {
    fn from(items: &[Json]) -> Self {
        Value::List(items.iter().map(Self::from).collect()).into()
    }
}

impl From<&Json> for Node {
    fn from(json: &Json) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(_) | Json::Number(_) => Value::Scalar(json.to_string()),
            Json::String(text) => Value::String(text.clone()),
            Json::Array(items) => return Self::from(&items[..]),
            Json::Object(fields) => {
                let fields = fields.iter();
                Value::Map(
                    fields
                        .map(|(key, value)| (key.clone(), value.into()))
                        .collect(),
                )
            }
        };
        value.into()
    }
}

/// Why a text is not YAML, with the place where reading stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {} column {}", .place.line, .place.column)]
pub struct InvalidYaml {
    /// The place.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

/// Brackets that may be open at the same time in a list of objects or templates, which has four.
const NESTED_IN_LIST: usize = 32;
/// The same in a file of resources of any kind.
pub(crate) const NESTED_IN_FILE: usize = 128;

/// Reads one YAML document: a list of a class, or another of its parameters.
pub fn parse(text: &str) -> Result<Node, InvalidYaml> {
    let (documents, error) = documents(text, NESTED_IN_LIST);
    if let Some(error) = error {
        return Err(error);
    }
    let mut documents = documents.into_iter();
    let first = documents.next().unwrap_or_default();
    match (first.fault, documents.next()) {
        (Some(fault), _) => Err(fault),
        (None, Some(second)) => Err(InvalidYaml {
            place: second.place,
            message: "a second document begins: remove the line ---".to_owned(),
        }),
        (None, None) => Ok(first.node),
    }
}

#[cfg(test)]
mod tests;
