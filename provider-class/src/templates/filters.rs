//! The filters: what configuration files need to hold any value. Each takes time in proportion to its input, and makes at most
//! six times as many bytes, and two quotes.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::hints;
use crate::Encoding;
use crate::words::name::shown;

/// A step of a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    B64decode,
    B64encode,
    /// The text for a file that does not exist.
    Default(String),
    Lower,
    Properties,
    Shell,
    Tojson,
    Trim,
    Upper,
    Urlencode,
}

impl Filter {
    /// The filter of a name, with the text in its brackets.
    ///
    /// # Errors
    /// An unknown name, and a text that is missing or has no meaning.
    pub(super) fn new(name: &str, text: Option<String>) -> Result<Self, String> {
        let filter = match name {
            "b64decode" => Self::B64decode,
            "b64encode" => Self::B64encode,
            "default" => {
                return text.map(Self::Default).ok_or_else(|| {
                    "has default, which needs a text: write default(\"none\")".to_owned()
                });
            }
            "lower" => Self::Lower,
            "properties" => Self::Properties,
            "shell" => Self::Shell,
            "tojson" => Self::Tojson,
            "trim" => Self::Trim,
            "upper" => Self::Upper,
            "urlencode" => Self::Urlencode,
            unknown => {
                let hint = match hints::filter(unknown) {
                    Some(own) => format!("write {own}"),
                    None => "the filters are b64decode, b64encode, default, lower, properties, shell, tojson, trim, upper and urlencode".to_owned(),
                };
                return Err(format!("has the unknown filter {}: {hint}", shown(unknown)));
            }
        };
        match text {
            Some(_) => Err(format!("has {name}, which takes no text: write | {name}")),
            None => Ok(filter),
        }
    }

    /// Is there a filter of this name?
    pub(super) fn is_known(name: &str) -> bool {
        name == "default" || Self::new(name, None).is_ok()
    }

    /// What it makes of a value.
    ///
    /// # Errors
    /// A value that it cannot take; never with the value.
    pub(super) fn apply(&self, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        let (name, filter): (_, fn(&str) -> String) = match self {
            Self::B64decode => {
                let decoded = Encoding::Base64.decode(value);
                return decoded.map_err(|reason| format!("b64decode takes base64, but {reason}; put trim before it if the value ends with a line break"));
            }
            Self::B64encode => return Ok(Zeroizing::new(STANDARD.encode(value).into_bytes())),
            Self::Default(_) => return Ok(Zeroizing::new(value.to_vec())),
            Self::Lower => ("lower", str::to_lowercase),
            Self::Properties => ("properties", properties),
            Self::Shell => ("shell", shell),
            Self::Tojson => ("tojson", json),
            Self::Trim => ("trim", |text| text.trim().to_owned()),
            Self::Upper => ("upper", str::to_uppercase),
            Self::Urlencode => ("urlencode", urlencode),
        };
        let text = std::str::from_utf8(value).map_err(|_| {
            format!("it is not UTF-8 text, which {name} takes: use b64encode for other bytes")
        })?;
        Ok(Zeroizing::new(filter(text).into_bytes()))
    }
}

/// Everything but unreserved characters becomes `%XX`.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
fn urlencode(text: &str) -> String {
    let mut encoded = String::with_capacity(3 * text.len());
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

/// A word for POSIX shells, in single quotes.
pub(super) fn shell(text: &str) -> String {
    let mut word = String::with_capacity(4 * text.len() + 2);
    word.push('\'');
    for (index, part) in text.split('\'').enumerate() {
        if index > 0 {
            word.push_str(r"'\''");
        }
        word.push_str(part);
    }
    word.push('\'');
    word
}

/// A string in JSON.
pub(super) fn json(text: &str) -> String {
    let mut json = Vec::with_capacity(6 * text.len() + 2);
    // Neither writing to memory nor a string's serialization fails.
    let _ = serde_json::to_writer(&mut json, text);
    String::from_utf8(json).unwrap_or_default()
}

/// A key or value of a Java properties file.
///
/// Source: <https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)>.
pub(super) fn properties(text: &str) -> String {
    let mut escaped = String::with_capacity(6 * text.len());
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

    #[test]
    fn no_filter_makes_more_than_six_times_its_input_and_two_quotes() {
        for name in [
            "b64encode",
            "lower",
            "properties",
            "shell",
            "tojson",
            "trim",
            "upper",
            "urlencode",
        ] {
            let filter = Filter::new(name, None).unwrap();
            // Those above have no other letter case.
            let some_of_the_rest = (0x2_0000..=0x10_ffff).step_by(101);
            let codes = (0..0x2_0000).chain(some_of_the_rest);
            for character in codes.filter_map(char::from_u32) {
                let text = String::from(character).repeat(4);
                let made = filter.apply(text.as_bytes()).unwrap().len();
                assert!(
                    made <= 6 * text.len() + 2,
                    "{name}: {character:?} makes {made} bytes"
                );
            }
        }
    }
}
