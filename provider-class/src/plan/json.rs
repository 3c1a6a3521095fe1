//! JSON values as their author wrote them.
//!
//! Reading JSON turns `1.10` into 1.1 and an integer of thirty digits into the nearest float. A file must have what the secret's
//! author wrote, so the text of a value is looked up in the source.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Number;
use serde_json::value::RawValue;

/// The members of a JSON object, each with the text of its value; `None` if it is no object. Of a key that is there twice the last
/// one counts, as in other readers of JSON.
pub(super) fn members(object: &str) -> Option<BTreeMap<String, &str>> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(object).ok()?;
    let members = members.into_iter();
    Some(members.map(|(key, value)| (key, value.get())).collect())
}

/// The text of the value that these keys lead to.
pub(super) fn member<'a>(json: &'a str, keys: &[String]) -> Option<&'a str> {
    keys.iter()
        .try_fold(json, |object, key| members(object)?.remove(key))
}

/// The numbers of a JSON text, by their values.
#[derive(Default)]
pub(super) struct Numbers<'a>(BTreeMap<String, BTreeSet<&'a str>>);

impl<'a> Numbers<'a> {
    /// Collects all numbers of a JSON text. Its depth is limited, because it was parsed before.
    pub(super) fn of(json: &'a str) -> Self {
        let mut numbers = Self::default();
        numbers.add(json);
        numbers
    }

    fn add(&mut self, json: &'a str) {
        if let Some(members) = members(json) {
            for value in members.into_values() {
                self.add(value);
            }
        } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) {
            for item in items {
                self.add(item.get());
            }
        } else if let Ok(number) = serde_json::from_str::<Number>(json) {
            self.0.entry(number.to_string()).or_default().insert(json);
        }
    }

    /// The text of a number that came out of the JSON: as written there, or canonical if it was computed. `None` if
    /// several texts become the same number, such as `1.1` and `1.10`, and it is not clear which one was meant.
    pub(super) fn text(&self, number: &Number) -> Option<String> {
        let canonical = number.to_string();
        let Some(texts) = self.0.get(&canonical) else {
            return Some(canonical);
        };
        let mut texts = texts.iter();
        match (texts.next(), texts.next()) {
            (Some(one), None) => Some((*one).to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(token: &str, json: &str) -> Option<String> {
        Numbers::of(json).text(&serde_json::from_str(token).unwrap())
    }

    #[test]
    fn keeps_what_was_written() {
        for token in [
            "5432",
            "-1",
            "1.10",
            "1e3",
            "0",
            "123456789012345678901234567890",
            "0.1",
        ] {
            assert_eq!(
                of(token, &format!("{{\"a\\\"1.1\": [ {token} ]}}")).as_deref(),
                Some(token)
            );
        }
    }

    #[test]
    fn numbers_in_strings_do_not_count() {
        assert_eq!(
            of("1.1", r#"{"a": "1.10", "b\\": 1.1}"#).as_deref(),
            Some("1.1")
        );
    }

    #[test]
    fn a_computed_number_is_canonical() {
        assert_eq!(of("3", "[1, 2]").as_deref(), Some("3"));
    }

    #[test]
    fn two_that_cannot_be_told_apart_are_not_guessed() {
        assert_eq!(of("1.1", "[1.1, 1.1]").as_deref(), Some("1.1"));
        for (token, json) in [
            ("1.1", "[1.10, 1.1]"),
            (
                "123456789012345678901234567890",
                "[123456789012345678901234567890, 123456789012345678901234567891]",
            ),
        ] {
            assert_eq!(of(token, json), None);
        }
    }

    #[test]
    fn each_member_has_its_text() {
        let json = " {\"a\" : \"x,}\\\"é\", \"b\\\"\":1.10 ,\n\"c\": [1, {\"a\": \"]\"}], \"d\":{\"e\": null} , \"d\":{\"e\": 2}}\n";
        let member = |keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            member(json, &keys)
        };
        assert_eq!(member(&["a"]), Some("\"x,}\\\"é\""));
        assert_eq!(member(&["b\""]), Some("1.10"));
        assert_eq!(member(&["c"]), Some("[1, {\"a\": \"]\"}]"));
        assert_eq!(member(&["d", "e"]), Some("2"));
        assert_eq!(member(&["d", "f"]), None);
        assert_eq!(member(&["a", "e"]), None);
        assert_eq!(members("[\"a\"]"), None);
    }
}
