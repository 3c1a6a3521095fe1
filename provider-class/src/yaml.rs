//! YAML as AWS's provider reads it (Go's `sigs.k8s.io/yaml`), which differs from serde's usual reading:
//! field names match in any letter case, numbers and booleans are taken as strings, `null` is unset, a field given
//! twice counts once, and `<<` merges mappings.
//!
//! A [`Node`] keeps all of that open for `raw` to decide. Lines come from [`line_of`], which reads the document once
//! more: only a document with problems pays for it.

use std::fmt;

use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

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

/// Why a text is not YAML, with the line where reading stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidYaml {
    /// Line from 1, where known.
    pub line: Option<usize>,
    /// What the YAML parser says.
    pub message: String,
}

/// Reads one YAML document.
pub fn parse(text: &str) -> Result<Node, InvalidYaml> {
    serde_yaml::from_str(text).map_err(|error| InvalidYaml {
        line: error.location().map(|location| location.line()),
        message: error.to_string(),
    })
}

/// Line (from 1) of the value at `field`, such as `[2].jmesPath[0].path`, or of its nearest ancestor that exists.
pub fn line_of(text: &str, field: &str) -> Option<usize> {
    line_in_document(text, 0, field)
}

/// The same in one of several documents, by its index; the line is the file's.
pub fn line_in_document(text: &str, document: usize, field: &str) -> Option<usize> {
    let steps = steps(field);
    (0..=steps.len()).rev().find_map(|length| {
        let walk = Walk {
            steps: &steps[..length],
        };
        let document = serde_yaml::Deserializer::from_str(text).nth(document)?;
        let error = walk.deserialize(document).err()?;
        error
            .to_string()
            .contains(FOUND)
            .then(|| error.location().map(|location| location.line()))?
    })
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Index(usize),
    Key(String),
}

fn steps(field: &str) -> Vec<Step> {
    let parts = field.split(['.', '[', ']']).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            part.parse()
                .map_or_else(|_| Step::Key(part.to_owned()), Step::Index)
        })
        .collect()
}

/// The error by which [`Walk`] says that it has arrived: the YAML reader adds the place to every error.
const FOUND: &str = "aws-secrets-injector found the field";

/// Walks down the document and fails at the end of its way.
#[derive(Clone, Copy)]
struct Walk<'a> {
    steps: &'a [Step],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn scalar<E: de::Error>(self) -> Result<(), E> {
        if self.steps.is_empty() {
            Err(E::custom(FOUND))
        } else {
            Ok(())
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.steps.split_first() else {
            return self.scalar();
        };
        let mut index = 0;
        loop {
            let item = if *first == Step::Index(index) {
                items.next_element_seed(Walk { steps: rest })?
            } else {
                items.next_element::<de::IgnoredAny>()?.map(|_| ())
            };
            if item.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.steps.split_first() else {
            return self.scalar();
        };
        while let Some(Key(key)) = fields.next_key()? {
            if matches!(first, Step::Key(wanted) if wanted.eq_ignore_ascii_case(&key)) {
                fields.next_value_seed(Walk { steps: rest })?;
            } else {
                fields.next_value::<de::IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

/// A mapping's key, in text form.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Node::deserialize(deserializer)? {
            Node::String(text) | Node::Scalar(text) => Ok(Self(text)),
            Node::Null => Ok(Self("null".to_owned())),
            other => Err(de::Error::custom(format!(
                "a field's name cannot be {}",
                other.kind()
            ))),
        }
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    /// What an empty document is.
    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        let mut merged = Vec::new();
        while let Some(Key(key)) = fields.next_key()? {
            let value = fields.next_value()?;
            if key == "<<" {
                merged.extend(merge_sources(value).map_err(de::Error::custom)?);
            } else {
                map.push((key, value));
            }
        }
        for (key, value) in merged {
            if !map.iter().any(|(own, _)| *own == key) {
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
    fn finds_the_line_of_a_field_or_of_what_should_hold_it() {
        let text = "# comment\n- objectName: a\n\n- objectname: b\n  jmesPath:\n    - path: x\n      objectAlias: [1]\n";
        assert_eq!(line_of(text, "[0].objectName"), Some(2));
        assert_eq!(line_of(text, "[1].jmesPath[0].objectAlias"), Some(7));
        assert_eq!(
            line_of(text, "[1].objectName"),
            Some(4),
            "in any letter case"
        );
        assert_eq!(
            line_of(text, "[1].objectType"),
            Some(4),
            "of the entry, when the field is missing"
        );
        assert_eq!(line_of("- [unclosed", "[0]"), Some(1));
    }

    #[test]
    fn refuses_tags_and_bombs() {
        assert!(parse("- !secret x").unwrap_err().message.contains("tags"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..30 {
            let alias = format!("*a{}", n - 1);
            bomb = format!("{bomb}a{n}: &a{n} [{}]\n", [alias.as_str(); 9].join(", "));
        }
        assert!(parse(&bomb).unwrap_err().message.contains("repetition"));
        assert!(
            parse(&"[".repeat(100_000)).is_err(),
            "deep nesting is an error and not a crash"
        );
    }
}
