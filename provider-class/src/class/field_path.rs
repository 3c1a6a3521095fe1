//! A field of a class, as messages name it.

use std::fmt;

use crate::printable::printable;
use crate::yaml::{Place, Step};

/// Which field of a class a message is about: its path, the object that its entry names, and its line.
///
/// Displayed as `objects[2] "app/db": jmesPath[0].path (line 7 of objects)`, or as `region`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its path, such as `objects[2].jmesPath[0].path` or `region`.
    pub path: String,
    /// The `objectName` or `secretName` of its entry, cut to what a line of a message can hold.
    pub object: Option<String>,
    /// Its place in the text of its list, `objects` or `templates`.
    pub place: Option<Place>,
}

/// The parameters that are lists.
pub(crate) const OBJECTS: &str = "objects";
pub(crate) const TEMPLATES: &str = "templates";
/// The list of Kubernetes Secrets.
pub(crate) const SECRET_OBJECTS: &str = "secretObjects";

/// Longest path, in characters: a path may have an invented name in it.
const MAX_PATH: usize = 200;

impl Field {
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self {
            path: printable(&path.into(), MAX_PATH),
            object: None,
            place: None,
        }
    }

    /// The index of its entry in `objects`.
    pub fn entry(&self) -> Option<usize> {
        let (list, entry, _) = self.split()?;
        (list == OBJECTS).then_some(entry)
    }

    /// How another field's message mentions this one.
    pub(crate) fn in_a_sentence(&self) -> String {
        let Some((list, entry, rest)) = self.split() else {
            return self.path.clone();
        };
        let mut text = format!("{list}[{entry}]");
        if let Some(object) = &self.object {
            text = format!("{text} {object:?}");
        }
        if rest.is_empty() {
            text
        } else {
            format!("{rest} of {text}")
        }
    }

    /// The parameter whose text has the field.
    pub fn list(&self) -> &'static str {
        if self.path.starts_with(TEMPLATES) {
            TEMPLATES
        } else {
            OBJECTS
        }
    }

    /// The list, the index of the entry, and the field's path in it; empty for the entry itself.
    fn split(&self) -> Option<(&str, usize, &str)> {
        let (list, rest) = self.path.split_once('[')?;
        if !matches!(list, OBJECTS | SECRET_OBJECTS) {
            return None;
        }
        let (index, rest) = rest.split_once(']')?;
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        Some((list, index.parse().ok()?, rest))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.split(), &self.object) {
            (Some((list, entry, "")), Some(object)) => write!(f, "{list}[{entry}] {object:?}")?,
            (Some((list, entry, rest)), Some(object)) => {
                write!(f, "{list}[{entry}] {object:?}: {rest}")?;
            }
            _ => f.write_str(&self.path)?,
        }
        match self.place {
            Some(Place { line, .. }) => write!(f, " (line {line} of {})", self.list()),
            None => Ok(()),
        }
    }
}

/// The steps of a path.
pub(crate) fn steps(path: &str) -> Vec<Step> {
    let parts = path.split(['.', '[', ']']).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.parse() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::Key(part.to_owned().into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrys_field_names_the_object() {
        let place = Some(Place { line: 7, column: 3 });
        for (path, object, place, text) in [
            ("region", None, None, "region"),
            (
                "objects[2].objectAlias",
                None,
                None,
                "objects[2].objectAlias",
            ),
            ("objects[2]", Some("a\"b"), None, "objects[2] \"a\\\"b\""),
            (
                "objects[2].jmesPath[0].path",
                Some("app/db"),
                place,
                "objects[2] \"app/db\": jmesPath[0].path (line 7 of objects)",
            ),
            (
                "secretObjects[0].data[1].key",
                Some("db"),
                None,
                "secretObjects[0] \"db\": data[1].key",
            ),
        ] {
            let field = Field {
                path: path.to_owned(),
                object: object.map(str::to_owned),
                place,
            };
            assert_eq!(field.to_string(), text);
        }
    }
}
