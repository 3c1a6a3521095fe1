//! Translates paths that are not written in JMESPath but as JSONPath (`$.a`), jq (`.a`), a JSON pointer
//! (`/a`), kubectl's and Go's templates (`{.a}`, `{{ .a }}`), or a key without its quotes (`api-key`).

/// A step from a value to a part of it.
enum Step {
    Key(String),
    Index(i32),
    All,
}

/// The path in JMESPath, if its meaning is clear. It may be the same text.
pub(crate) fn meant(expression: &str) -> Option<String> {
    let text = unwrapped(expression.trim());
    let pointer = text.strip_prefix('#').unwrap_or(text);
    let steps = match pointer.strip_prefix('/') {
        Some(pointer) => of_pointer(pointer)?,
        None => of_path(text)?,
    };
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path += &key(&name);
            }
            Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            Step::All => path += "[*]",
        }
    }
    (!path.is_empty()).then_some(path)
}

/// Without the braces of a template.
fn unwrapped(text: &str) -> &str {
    for (open, close) in [("{{", "}}"), ("{", "}")] {
        if let Some(rest) = text.strip_prefix(open)
            && let Some(inner) = rest.strip_suffix(close)
        {
            return inner.trim();
        }
    }
    text.trim()
}

fn of_pointer(pointer: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in pointer.split('/') {
        steps.push(match part.parse() {
            Ok(index) => Step::Index(index),
            Err(_) if part.is_empty() => return None,
            Err(_) => Step::Key(part.replace("~1", "/").replace("~0", "~")),
        });
    }
    Some(steps)
}

fn of_path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$').unwrap_or(text);
    let mut steps = Vec::new();
    let mut is_start = true;
    while !rest.is_empty() {
        // jq writes a dot before a bracket.
        let after_dot = rest.strip_prefix('.');
        let bracket = after_dot.unwrap_or(rest).strip_prefix('[');
        if let Some(inside) = bracket {
            let (step, after) = bracketed(inside)?;
            steps.push(step);
            rest = after;
        } else if after_dot.is_some() || is_start {
            let name = after_dot.unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || is_operator(c)) {
                return None;
            }
            steps.push(Step::Key(name.to_owned()));
            rest = after;
        } else {
            return None;
        }
        is_start = false;
    }
    Some(steps)
}

/// Characters of operators in JMESPath and similar languages.
fn is_operator(c: char) -> bool {
    "\"'`()[]{}|&,*?=<>!@".contains(c)
}

/// The step in brackets, and the text after them.
fn bracketed(inside: &str) -> Option<(Step, &str)> {
    for quote in ['\'', '"'] {
        if let Some(quoted) = inside.strip_prefix(quote) {
            let (name, after) = quoted.split_once(quote)?;
            let after = after.strip_prefix(']')?;
            return (!name.is_empty()).then(|| (Step::Key(name.to_owned()), after));
        }
    }
    let (content, after) = inside.split_once(']')?;
    let step = match content {
        "" | "*" => Step::All,
        index => Step::Index(index.parse().ok()?),
    };
    Some((step, after))
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
