//! The kinds of the resources in a YAML file, found without keeping their contents; and the contents of chosen ones.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::yaml::{Budget, InvalidYaml, Node, nesting};

/// The kind of a resource.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    /// The resources of a `List`.
    pub(crate) items: Option<Vec<Head>>,
}

impl Head {
    /// Is it a list, as kubectl prints several resources?
    pub(crate) fn is_list(&self) -> bool {
        self.kind.ends_with("List") && self.items.is_some()
    }
}

/// The heads of all documents, `None` for an empty one, up to the first invalid YAML.
pub(crate) fn read(text: &str) -> (Vec<Option<Head>>, Option<InvalidYaml>) {
    let mut heads = Vec::new();
    if let Err(error) = nesting::check(text, nesting::OF_FILE) {
        return (heads, Some(error));
    }
    for document in serde_yaml::Deserializer::from_str(text) {
        match Look::Document.deserialize(document) {
            Ok(Seen::Null) => heads.push(None),
            Ok(seen) => heads.push(Some(seen.head())),
            Err(error) => return (heads, Some(error.into())),
        }
    }
    (heads, None)
}

/// What is looked for at a value. Everything else there is skipped.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// A resource, which may be a list of resources.
    Document,
    /// A resource of a list. Lists in lists are not opened.
    Item,
    /// The resources of a list.
    Items,
    /// A string.
    Text,
}

/// What was found.
enum Seen {
    Null,
    Resource(Head),
    Items(Vec<Head>),
    Text(String),
    Other,
}

impl Seen {
    /// The head of a resource, or an empty one.
    fn head(self) -> Head {
        match self {
            Self::Resource(head) => head,
            _ => Head::default(),
        }
    }

    /// A string, or an empty one.
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            _ => String::new(),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Look {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Null)
    }

    fn visit_none<E>(self) -> Result<Seen, E> {
        Ok(Seen::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Seen, E> {
        Ok(match self {
            Self::Text => Seen::Text(text.to_owned()),
            _ => Seen::Other,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        if self != Self::Items {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Seen::Other);
        }
        let mut heads = Vec::new();
        while let Some(item) = items.next_element_seed(Self::Item)? {
            heads.push(item.head());
        }
        Ok(Seen::Items(heads))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Seen, A::Error> {
        if !matches!(self, Self::Document | Self::Item) {
            while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Seen::Other);
        }
        let mut head = Head::default();
        while let Some(name) = fields.next_key_seed(Self::Text)? {
            match name.text().as_str() {
                "apiVersion" => head.api_version = fields.next_value_seed(Self::Text)?.text(),
                "kind" => head.kind = fields.next_value_seed(Self::Text)?.text(),
                "items" if self == Self::Document => {
                    if let Seen::Items(items) = fields.next_value_seed(Self::Items)? {
                        head.items = Some(items);
                    }
                }
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Seen::Resource(head))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Seen, A::Error> {
        let (_, value): (IgnoredAny, _) = tagged.variant()?;
        value.newtype_variant::<IgnoredAny>()?;
        Ok(Seen::Other)
    }
}

/// The contents of documents, or of items of lists, which are given in the file's order.
pub(crate) fn nodes(
    text: &str,
    asked: &[(usize, Option<usize>)],
) -> Vec<Result<Node, InvalidYaml>> {
    let mut by_document: BTreeMap<usize, Vec<Option<usize>>> = BTreeMap::new();
    for (document, item) in asked {
        by_document.entry(*document).or_default().push(*item);
    }
    let budget = Budget::of(text);
    let mut nodes = Vec::new();
    let mut documents = serde_yaml::Deserializer::from_str(text).enumerate();
    for (index, items) in by_document {
        let Some((_, document)) = documents.find(|(at, _)| *at == index) else {
            break;
        };
        match budget.deserialize(document) {
            Err(error) => {
                let error = InvalidYaml::from(error);
                nodes.extend(items.iter().map(|_| Err(error.clone())));
            }
            Ok(mut node) => {
                for item in items {
                    nodes.push(Ok(match item {
                        None => std::mem::replace(&mut node, Node::Null),
                        Some(item) => node.take_item(item),
                    }));
                }
            }
        }
    }
    nodes
}
