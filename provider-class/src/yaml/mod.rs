//! YAML as AWS's provider reads it (Go's `sigs.k8s.io/yaml`), which differs from serde's usual reading:
//! field names match in any letter case, numbers and booleans are taken as strings, `null` is unset, a field given
//! twice counts once, and `<<` merges mappings.
//!
//! A [`Node`] leaves all of that to its user. Lines come from [`places`], which reads the document once
//! more: only a document with problems pays for it.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, Visitor};

pub(crate) mod nesting;
mod places;

pub(crate) use places::places_in_documents;
pub use places::{Place, Step, places, steps};

/// A YAML value, with scalars in the text form that Go's reader gives to a string field.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean or a number, as text.
    Scalar(String),
    /// A string.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in document order, with what `<<` brought in at the end; a key may occur twice.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of a mapping's field; the last one, if the field occurs twice.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(fields) = self else { return None };
        fields
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// Takes an item out of the field `items`.
    pub(crate) fn take_item(&mut self, index: usize) -> Self {
        let Self::Map(fields) = self else {
            return Self::Null;
        };
        let items = fields.iter_mut().rev().find(|(name, _)| name == "items");
        match items {
            Some((_, Self::List(items))) => items
                .get_mut(index)
                .map_or(Self::Null, |item| std::mem::replace(item, Self::Null)),
            _ => Self::Null,
        }
    }

    /// What this is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Scalar(_) => "a number or boolean",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Why a text is not YAML, with the place where reading stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidYaml {
    /// The place, where known.
    pub place: Option<Place>,
    /// What the YAML parser says.
    pub message: String,
}

impl From<serde_yaml::Error> for InvalidYaml {
    fn from(error: serde_yaml::Error) -> Self {
        let place = error.location().map(|location| Place {
            line: location.line(),
            column: location.column(),
        });
        let message = error.to_string();
        Self { place, message }
    }
}

/// Reads one YAML document: a list of a class, or another of its parameters.
pub fn parse(text: &str) -> Result<Node, InvalidYaml> {
    nesting::check(text, nesting::OF_LIST)?;
    read(text)
}

fn read(text: &str) -> Result<Node, InvalidYaml> {
    let budget = Budget::of(text);
    let node = budget.deserialize(serde_yaml::Deserializer::from_str(text))?;
    Ok(node)
}

/// Limits the size of a document's nodes, counted as one each plus their bytes: aliases can turn a short text into a very
/// long one.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    /// Far more than a list needs that repeats parts of its entries.
    pub(crate) fn of(text: &str) -> Self {
        Self(Cell::new(
            text.len().saturating_mul(8).saturating_add(65_536),
        ))
    }

    fn spend<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        match self.0.get().checked_sub(bytes.saturating_add(1)) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(E::custom(
                "its aliases (words that start with \"*\") repeat too much: write the values out",
            )),
        }
    }
}

impl<'de> DeserializeSeed<'de> for &Budget {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor(self))
    }
}

/// A mapping's key, in text form.
struct Key<'a>(&'a Budget);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        match self.0.deserialize(deserializer)? {
            Node::String(text) | Node::Scalar(text) => Ok(text),
            Node::Null => Ok("null".to_owned()),
            other => Err(de::Error::custom(format!(
                "a field's name cannot be {}",
                other.kind()
            ))),
        }
    }
}

struct NodeVisitor<'a>(&'a Budget);

impl NodeVisitor<'_> {
    fn scalar<E: de::Error>(&self, text: String) -> Result<Node, E> {
        self.0.spend(text.len())?;
        Ok(Node::Scalar(text))
    }
}

impl<'de> Visitor<'de> for NodeVisitor<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        self.0.spend(0)?;
        Ok(Node::Null)
    }

    /// An empty document.
    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        self.scalar(value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        self.scalar(value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        self.scalar(value.to_string())
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        self.scalar(value.to_string())
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        self.scalar(value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        self.scalar(value.to_string())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        self.0.spend(value.len())?;
        Ok(Node::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        self.0.spend(0)?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.0)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        self.0.spend(0)?;
        let mut map: Vec<(String, Node)> = Vec::new();
        let mut merged = Vec::new();
        while let Some(key) = fields.next_key_seed(Key(self.0))? {
            let value = fields.next_value_seed(self.0)?;
            if key == "<<" {
                merged.extend(merge_sources(value).map_err(de::Error::custom)?);
            } else {
                map.push((key, value));
            }
        }
        if merged.is_empty() {
            return Ok(Node::Map(map));
        }
        let mut known: HashSet<String> = map.iter().map(|(key, _)| key.clone()).collect();
        for (key, value) in merged {
            if known.insert(key.clone()) {
                map.push((key, value));
            }
        }
        Ok(Node::Map(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(de::Error::custom(
            "YAML tags (words that start with \"!\") have no meaning here: quote the value",
        ))
    }
}

/// The fields that the value of a `<<` brings in: of several mappings the first one's count.
fn merge_sources(value: Node) -> Result<Vec<(String, Node)>, String> {
    match value {
        Node::Map(map) => Ok(map),
        Node::List(maps) => maps
            .into_iter()
            .map(merge_sources)
            .collect::<Result<Vec<_>, _>>()
            .map(|maps| maps.concat()),
        other => Err(format!("<< merges a mapping, not {}", other.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_meaning_as_text() {
        let list = parse("[1, 0400, true, ~, 1.5, 'x', -3, \"0600\"]").unwrap();
        let text = |node: &Node| match node {
            Node::Scalar(text) | Node::String(text) => text.clone(),
            other => other.kind().to_owned(),
        };
        let Node::List(items) = list else {
            panic!("a list")
        };
        let texts: Vec<_> = items.iter().map(text).collect();
        assert_eq!(
            texts,
            ["1", "0400", "true", "null", "1.5", "x", "-3", "0600"]
        );
    }

    #[test]
    fn anchors_and_merges_work() {
        let node = parse("- &a {x: 1, y: 2}\n- {<<: *a, y: 3}\n- {<<: [*a, {z: 4}]}\n").unwrap();
        let Node::List(items) = node else {
            panic!("a list")
        };
        let pair = |key: &str, value: &str| (key.to_owned(), Node::Scalar(value.to_owned()));
        assert_eq!(items[1], Node::Map(vec![pair("y", "3"), pair("x", "1")]));
        assert_eq!(
            items[2],
            Node::Map(vec![pair("x", "1"), pair("y", "2"), pair("z", "4")])
        );
    }

    #[test]
    fn aliases_repeat_no_more_than_a_multiple_of_the_text() {
        let anchor = format!("- &a [{}]\n", vec!["x"; 5000].join(", "));
        let text = anchor + &"- *a\n".repeat(5000);
        let error = parse(&text).unwrap_err();
        assert!(error.message.contains("repeat too much"), "{error}");
        let fields = (0..5000)
            .map(|n| format!("k{n}: 1, "))
            .collect::<Vec<_>>()
            .concat();
        let text = format!("- &a {{{fields}}}\n- {{<<: *a, {fields}}}\n");
        let Ok(Node::List(items)) = parse(&text) else {
            panic!("a list of two mappings")
        };
        assert_eq!(items[0], items[1]);
    }

    #[test]
    fn refuses_tags_and_bombs() {
        assert!(parse("- !secret x").unwrap_err().message.contains("tags"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..30 {
            let alias = format!("*a{}", n - 1);
            bomb = format!("{bomb}a{n}: &a{n} [{}]\n", [alias.as_str(); 9].join(", "));
        }
        assert!(
            parse(&bomb)
                .unwrap_err()
                .message
                .contains("repeat too much")
        );
        assert!(
            parse(&"[".repeat(100_000)).is_err(),
            "deep nesting is an error and not a crash"
        );
    }
}
