//! Numbers as they stand in the JSON text.
//!
//! Reading JSON turns `1.10` into 1.1 and an integer of thirty digits into the nearest float. A file has to hold what
//! the secret's author wrote, so the text of a number is looked up in the source.

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
            let number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
            let end = rest.find(|c| !number(c)).unwrap_or(rest.len());
            let (token, after) = rest.split_at(end);
            rest = after;
            return Some(token);
        }
    })
}

/// What follows the closing quote of a string whose opening quote has been taken.
fn after_string(string: &str) -> &str {
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

/// The text of a number that came out of `json`: as written there, or canonical if it was computed. `None` if several
/// texts of the source become the same float and it cannot be told which was meant.
pub(crate) fn text(number: &serde_json::Number, json: &str) -> Option<String> {
    let same = |token: &&str| {
        serde_json::from_str::<serde_json::Number>(token).is_ok_and(|parsed| parsed == *number)
    };
    let mut texts: Vec<&str> = tokens(json).filter(same).collect();
    texts.sort_unstable();
    texts.dedup();
    let canonical = number.to_string();
    match texts.as_slice() {
        [] => Some(canonical),
        [one] => Some((*one).to_owned()),
        // Different digits that read as one float: 1.10 and 1.1 are the same number, but two long integers are not.
        several if several.iter().any(|text| significant_digits(text) > 15) => None,
        _ => Some(canonical),
    }
}

fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().filter(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(token: &str, json: &str) -> Option<String> {
        text(&serde_json::from_str(token).unwrap(), json)
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
        assert_eq!(of("1.1", "[1.10, 1.1]").as_deref(), Some("1.1"));
        assert_eq!(
            of(
                "123456789012345678901234567890",
                "[123456789012345678901234567890, 123456789012345678901234567891]"
            ),
            None
        );
    }
}
