//! Translates paths that are written as in other languages: with `$.` (JSONPath), `.` (jq) or `/` (JSON pointers) in front, or with
//! a key that lacks its quotes (`api-key`).

/// The path in JMESPath, if its meaning is clear. It may be the same text.
pub(crate) fn meant(expression: &str) -> Option<String> {
    let text = expression.trim();
    let (text, separator) = match text.strip_prefix('/') {
        Some(pointer) => (pointer, '/'),
        None => (text.trim_start_matches('$').trim_start_matches('.'), '.'),
    };
    let steps: Option<Vec<String>> = text.split(separator).map(step).collect();
    Some(steps?.join("."))
}

/// A key, with indexes in brackets behind it.
fn step(text: &str) -> Option<String> {
    let (name, indexes) = text.split_at(text.find('[').unwrap_or(text.len()));
    // A number in a JSON pointer can be an index.
    let is_name = !name.bytes().all(|byte| byte.is_ascii_digit())
        && !name.contains(|c: char| c.is_whitespace() || is_operator(c));
    let is_index = |c: char| c.is_ascii_digit() || "[-]*".contains(c);
    let are_indexes = indexes.chars().all(is_index) && !indexes.contains("[]");
    (is_name && are_indexes).then(|| key(name) + indexes)
}

/// Characters of operators in JMESPath and similar languages.
fn is_operator(c: char) -> bool {
    "\"'`()[]{}|&,*?=<>!@".contains(c)
}

/// A key as JMESPath writes it: bare, or in double quotes where it has more than letters, digits and `_`.
pub(crate) fn key(name: &str) -> String {
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if is_plain {
        name.to_owned()
    } else {
        serde_json::Value::from(name).to_string()
    }
}

/// A text as a YAML value that survives as it is: bare, or in single quotes.
pub(crate) fn yaml(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.[]".contains(&b))
        && !text.eq_ignore_ascii_case("null");
    if is_plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}
