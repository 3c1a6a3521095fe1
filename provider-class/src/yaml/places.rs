//! The places of fields in a YAML text, found in one reading.
//!
//! The YAML reader does not tell a visitor where it is, but adds the place to every error. So the visitor returns an error at
//! each key or scalar, takes the place from it, and reads on.

use std::collections::HashMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A line and a column of a text, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// An item of a list, from 0.
    Index(usize),
    /// A field of a mapping, in any letter case.
    Key(String),
}

impl Step {
    fn of(part: &str) -> Self {
        match part.parse() {
            Ok(index) => Self::Index(index),
            Err(_) => Self::Key(part.to_ascii_lowercase()),
        }
    }
}

/// The steps of a field, such as `[2].jmesPath[0].path`.
pub fn steps(field: &str) -> Vec<Step> {
    let parts = field.split(['.', '[', ']']).filter(|part| !part.is_empty());
    parts.map(Step::of).collect()
}

/// The places of fields in one document of a text. A field that does not exist has the place of its nearest ancestor.
pub fn places(text: &str, document: usize, fields: &[Vec<Step>]) -> Vec<Option<Place>> {
    let fields: Vec<_> = fields
        .iter()
        .map(|field| (document, field.as_slice()))
        .collect();
    places_in_documents(text, &fields)
}

/// The same for fields of several documents, each with the document's index.
pub(crate) fn places_in_documents(text: &str, fields: &[(usize, &[Step])]) -> Vec<Option<Place>> {
    let mut asked: HashMap<usize, Asked> = HashMap::new();
    for (index, (document, steps)) in fields.iter().enumerate() {
        asked.entry(*document).or_default().add(index, steps);
    }
    let mut found = Found {
        places: vec![None; fields.len()],
        is_met: false,
    };
    let last = asked.keys().max().copied().unwrap_or_default();
    let documents = serde_yaml::Deserializer::from_str(text).enumerate();
    for (index, document) in documents.take(last + 1) {
        let Some(asked) = asked.get(&index) else {
            continue;
        };
        let seed = Walk {
            asked,
            found: &mut found,
            has_name: false,
            text: None,
        };
        // A scalar, or invalid YAML, after which nothing can be found.
        if let Err(error) = seed.deserialize(document)
            && let Some(place) = found.met_at(&error)
        {
            found.keep(asked, place);
        }
    }
    found.places
}

/// The fields to find at one value and below it.
#[derive(Debug, Default)]
struct Asked {
    /// Fields that are here or below, as indexes of the caller's list.
    fields: Vec<usize>,
    parts: HashMap<Step, Asked>,
}

impl Asked {
    fn add(&mut self, field: usize, steps: &[Step]) {
        let mut at = self;
        at.fields.push(field);
        for step in steps {
            at = at.parts.entry(step.clone()).or_default();
            at.fields.push(field);
        }
    }
}

/// Places so far. On the way down, the place of an ancestor is overwritten with that of its part.
struct Found {
    places: Vec<Option<Place>>,
    /// Was the last error returned on purpose? Its text cannot tell, since it may quote any text of the document.
    is_met: bool,
}

impl Found {
    fn keep(&mut self, asked: &Asked, place: Place) {
        for field in &asked.fields {
            self.places[*field] = Some(place);
        }
    }

    /// Returns an error on purpose, for its place.
    fn meet<T, E: de::Error>(&mut self) -> Result<T, E> {
        self.is_met = true;
        Err(E::custom(""))
    }

    /// The place in an error that was returned on purpose; none for any other error, after which nothing more can be read.
    fn met_at(&mut self, error: &impl fmt::Display) -> Option<Place> {
        if !std::mem::take(&mut self.is_met) {
            return None;
        }
        let text = error.to_string();
        let place = text.rsplit_once(" at line ").map(|(_, place)| place);
        // The reader adds no place at the very beginning.
        let Some((line, column)) = place.and_then(|place| place.split_once(" column ")) else {
            return Some(Place { line: 1, column: 1 });
        };
        let (line, column) = (line.parse().ok()?, column.parse().ok()?);
        Some(Place { line, column })
    }
}

/// Walks to the fields. It fails at a scalar, with the scalar's place.
struct Walk<'a> {
    asked: &'a Asked,
    found: &'a mut Found,
    /// Is it a field's value, whose place is that of the field's name?
    has_name: bool,
    /// Where the text goes, for a field's name.
    text: Option<&'a mut String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.found.meet()
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.found.meet()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.found.meet()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.found.meet()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.found.meet()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.found.meet()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.found.meet()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.found.meet()
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        if let Some(kept) = self.text {
            text.clone_into(kept);
        }
        self.found.meet()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            let Some(asked) = self.asked.parts.get(&Step::Index(index)) else {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(());
                }
                index += 1;
                continue;
            };
            let walk = Walk {
                asked,
                found: self.found,
                has_name: false,
                text: None,
            };
            match items.next_element_seed(walk) {
                Ok(None) => return Ok(()),
                Ok(Some(())) => {}
                Err(error) => match self.found.met_at(&error) {
                    Some(place) => self.found.keep(asked, place),
                    None => return Err(error),
                },
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let nothing = Asked::default();
        let mut is_first = !self.has_name;
        loop {
            let mut name = String::new();
            let key = Walk {
                asked: &nothing,
                found: self.found,
                has_name: true,
                text: Some(&mut name),
            };
            let place = match fields.next_key_seed(key) {
                Ok(None) => return Ok(()),
                Ok(Some(())) => None,
                Err(error) => match self.found.met_at(&error) {
                    Some(place) => Some(place),
                    None => return Err(error),
                },
            };
            if let Some(place) = place.filter(|_| is_first) {
                // A mapping has the place of its first field.
                self.found.keep(self.asked, place);
            }
            is_first = false;
            name.make_ascii_lowercase();
            let Some(asked) = self.asked.parts.get(&Step::Key(name)) else {
                fields.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Some(place) = place {
                self.found.keep(asked, place);
            }
            let walk = Walk {
                asked,
                found: self.found,
                has_name: true,
                text: None,
            };
            // A field has the place of its name, not of its value.
            if let Err(error) = fields.next_value_seed(walk)
                && self.found.met_at(&error).is_none()
            {
                return Err(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(text: &str, field: &str) -> Option<usize> {
        places(text, 0, &[steps(field)])[0].map(|place| place.line)
    }

    #[test]
    fn finds_the_place_of_a_field_or_of_what_should_hold_it() {
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
        let place = places(text, 0, &[steps("[1].jmesPath[0].objectAlias")])[0];
        assert_eq!(place, Some(Place { line: 7, column: 7 }));
    }

    #[test]
    fn finds_all_of_them_in_one_reading() {
        let text = "- {a: 1}\n-\n- text\n- [x, y]\n- {a: {b: 2}}\n";
        let fields = ["[0].a", "[1]", "[2]", "[3][1]", "[4].a.b", "[4].c", "[9]"];
        let fields: Vec<_> = fields.iter().map(|field| steps(field)).collect();
        let lines: Vec<_> = places(text, 0, &fields)
            .into_iter()
            .map(|place| place.map(|place| place.line))
            .collect();
        let expected = [Some(1), Some(3), Some(3), Some(4), Some(5), Some(5), None];
        assert_eq!(lines[0], expected[0]);
        assert!(lines[1].is_some_and(|line| line == 2 || line == 3));
        assert_eq!(lines[2..], expected[2..]);
    }

    #[test]
    fn tags_and_broken_yaml_are_the_end_of_it() {
        let key = "aws-secrets-injector met the value at line 1 column 1";
        let forged = format!("- {{{key}: !x a}}\n- {{a: {{{key}: !x b}}}}\n- c");
        for text in [
            forged.as_str(),
            "- !x a\n- b",
            "- [unclosed",
            "- {a: !x b}\n- c",
            "a: *b",
        ] {
            let _ = places(text, 0, &[steps("[0].a"), steps("[1]"), steps("a")]);
        }
    }
}
