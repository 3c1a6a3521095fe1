//! Numbers as they are written in the JSON text.
//!
//! Reading JSON turns `1.10` into 1.1 and an integer of thirty digits into the nearest float. A file must have
//! what the secret's author wrote, so the text of a number is looked up in the source.

use std::collections::{BTreeMap, BTreeSet};

/// All number tokens of a JSON text, which must be valid.
fn tokens(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = &rest[at..];
            if let Some(string) = rest.strip_prefix('"') {
                rest = after_string(string);
                continue;
            }
            let end = rest.find(|c| !is_of_a_number(c)).unwrap_or(rest.len());
            let (token, after) = rest.split_at(end);
            rest = after;
            return Some(token);
        }
    })
}

fn is_of_a_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')
}

/// What follows the closing quote of a string, which is given without its opening quote.
pub(super) fn after_string(string: &str) -> &str {
    let mut escaped = false;
    for (at, byte) in string.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &string[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The numbers of a JSON text, by their values.
pub(crate) struct Numbers<'a>(BTreeMap<String, BTreeSet<&'a str>>);

impl<'a> Numbers<'a> {
    /// Collects all numbers of a JSON text, which must be valid.
    pub(crate) fn of(json: &'a str) -> Self {
        let mut texts: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for token in tokens(json) {
            if let Ok(number) = serde_json::from_str::<serde_json::Number>(token) {
                texts.entry(number.to_string()).or_default().insert(token);
            }
        }
        Self(texts)
    }

    /// The text of a number that came out of the JSON: as written there, or canonical if it was computed. `None` if
    /// several texts become the same number, such as `1.1` and `1.10`, and it is not clear which one was meant.
    pub(crate) fn text(&self, number: &serde_json::Number) -> Option<String> {
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
                of(token, &format!("{{\"a\\\"1.1\": [{token}]}}")).as_deref(),
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
}
