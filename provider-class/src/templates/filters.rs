//! The filters: what configuration files need to hold any value.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::LONGEST;
use crate::Encoding;

/// Why a filter cannot work on a value; never with the value.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct FilterError(pub(super) String);

/// Adds all filters.
pub(super) fn add(environment: &mut Environment<'_>) {
    let mut add = |name: &'static str, filter: fn(&str) -> Result<Value, Error>| {
        environment.add_filter(name, move |value: &Value| filter(text(value, name)?));
    };
    add("b64decode", b64decode);
    add("lower", |text| Ok(text.to_lowercase().into()));
    add("properties", |text| Ok(properties(text).into()));
    add("shell", |text| Ok(shell(text).into()));
    add("trim", |text| Ok(text.trim().into()));
    add("upper", |text| Ok(text.to_uppercase().into()));
    add("urlencode", |text| Ok(urlencode(text).into()));
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("replace", replace);
    environment.add_filter("tojson", tojson);
}

/// The text that a filter works on.
fn text<'a>(value: &'a Value, filter: &str) -> Result<&'a str, Error> {
    is_defined(value)?;
    let text = value.as_str();
    text.ok_or_else(|| {
        failed(format!(
            "{filter} takes text: use b64encode for other bytes"
        ))
    })
}

fn is_defined(value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(())
}

fn failed(reason: impl Into<String>) -> Error {
    let error = FilterError(reason.into());
    Error::new(ErrorKind::InvalidOperation, error.to_string()).with_source(error)
}

/// Everything but unreserved characters becomes `%XX`.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
fn urlencode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn replace(value: &Value, from: &Value, to: &Value) -> Result<String, Error> {
    let of = |value| text(value, "replace");
    let (text, from, to) = (of(value)?, of(from)?, of(to)?);
    let added = text.matches(from).count().saturating_mul(to.len());
    if text.len().saturating_add(added) > LONGEST {
        return Err(failed(format!("replace makes at most {LONGEST} bytes")));
    }
    Ok(text.replace(from, to))
}

/// A word for POSIX shells, in single quotes.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A key or value of a Java properties file.
///
/// Source: <https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)>.
fn properties(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\u{c}' => escaped.push_str("\\f"),
            '\\' | ' ' | ':' | '=' | '#' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            ' '..='~' => escaped.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    escaped
}

fn b64encode(value: &Value) -> Result<String, Error> {
    is_defined(value)?;
    let bytes = value
        .as_bytes()
        .ok_or_else(|| failed("b64encode takes text or bytes"))?;
    Ok(STANDARD.encode(bytes))
}

fn b64decode(text: &str) -> Result<Value, Error> {
    let bytes = Encoding::Base64.decode(text.as_bytes());
    let bytes = bytes.map_err(|reason| failed(format!("b64decode takes base64, but {reason}")))?;
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(&bytes[..]),
    })
}

/// JSON, which is also YAML: of a text, an integer, a boolean, or all files.
fn tojson(value: &Value) -> Result<String, Error> {
    is_defined(value)?;
    let mut json = String::new();
    match value.kind() {
        ValueKind::None => json.push_str("null"),
        ValueKind::Bool => json.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => json.push_str(&value.to_string()),
        ValueKind::Map => {
            json.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                if index > 0 {
                    json.push_str(", ");
                }
                write_text(&key, &mut json)?;
                json.push_str(": ");
                write_text(&value.get_item(&key)?, &mut json)?;
            }
            json.push('}');
        }
        _ => write_text(value, &mut json)?,
    }
    Ok(json)
}

fn write_text(value: &Value, json: &mut String) -> Result<(), Error> {
    let text = value.as_str().ok_or_else(|| {
        failed("tojson takes text, integers and files that are text: use b64encode for others")
    })?;
    json.push_str(&serde_json::Value::from(text).to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All printable ASCII characters that are neither letters nor digits.
    const SPECIAL: &str = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

    #[test]
    fn a_url_keeps_only_unreserved_characters() {
        assert_eq!(
            urlencode(SPECIAL),
            "%20%21%22%23%24%25%26%27%28%29%2A%2B%2C-.%2F%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E_%60%7B%7C%7D~"
        );
        assert_eq!(urlencode("é1a"), "%C3%A91a");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in [SPECIAL, "", "it's", "a\nb", "пароль"] {
            let script = format!("printf %s {}", shell(text));
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output();
            assert_eq!(output.unwrap().stdout, text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn properties_escape_what_java_would_read_otherwise() {
        assert_eq!(properties("a b=c:d#!\\"), "a\\ b\\=c\\:d\\#\\!\\\\");
        assert_eq!(properties("\n\r\t\u{c}\u{1}"), "\\n\\r\\t\\f\\u0001");
        assert_eq!(properties("é🔑"), "\\u00e9\\ud83d\\udd11");
    }
}
