//! The members of a JSON object, each with the text of its value as it is written there: `1.10` stays `1.10`.

use super::number::after_string;

const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// The members of a JSON object, in order; the text must be valid JSON. Each is the text of a key, in quotes, and the text of
/// its value.
pub(super) fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = object.trim_start_matches(BLANK);
    rest = rest.strip_prefix('{').unwrap_or_default();
    std::iter::from_fn(move || {
        let start = rest.find('"')?;
        let after_key = after_string(&rest[start + 1..]);
        let key = &rest[start..rest.len() - after_key.len()];
        let value = after_key.trim_start_matches(BLANK);
        let value = value.strip_prefix(':')?.trim_start_matches(BLANK);
        let (text, after) = value.split_at(length(value));
        rest = after;
        Some((key, text.trim_end_matches(BLANK)))
    })
}

/// The text of the value that these keys lead to. Of a key that is there twice the last one counts, as in other readers of JSON.
pub(super) fn member<'a>(json: &'a str, keys: &[String]) -> Option<&'a str> {
    keys.iter().try_fold(json, |object, key| {
        let is_key =
            |name: &str| serde_json::from_str::<String>(name).is_ok_and(|name| name == *key);
        let values = members(object).filter(|(name, _)| is_key(name));
        values.last().map(|(_, value)| value)
    })
}

/// Bytes up to the comma or bracket that ends a value.
fn length(value: &str) -> usize {
    let mut depth = 0_usize;
    let mut rest = value;
    while let Some(byte) = rest.bytes().next() {
        match byte {
            b'"' => {
                rest = after_string(&rest[1..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => break,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        let first = rest.chars().next().map_or(1, char::len_utf8);
        rest = &rest[first..];
    }
    value.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_has_its_text() {
        let json = " {\"a\" : \"x,}\\\"é\", \"b\\\"\":1.10 ,\n\"c\": [1, {\"a\": \"]\"}], \"d\":{\"e\": null} , \"\": null}\n";
        let found: Vec<_> = members(json).collect();
        assert_eq!(
            found,
            [
                ("\"a\"", "\"x,}\\\"é\""),
                ("\"b\\\"\"", "1.10"),
                ("\"c\"", "[1, {\"a\": \"]\"}]"),
                ("\"d\"", "{\"e\": null}"),
                ("\"\"", "null"),
            ]
        );
        let member = |keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            member(json, &keys)
        };
        assert_eq!(member(&["b\""]), Some("1.10"));
        assert_eq!(member(&["d", "e"]), Some("null"));
        assert_eq!(member(&["d", "f"]), None);
        assert_eq!(member(&["a", "e"]), None);
        assert_eq!(members("{ }").count(), 0);
        assert_eq!(members("[\"a\"]").count(), 0);
    }
}
