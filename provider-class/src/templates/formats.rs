//! Documents of names and values, each in a format of configuration files. A key or value that the readers of a format do not
//! agree on is an error: nobody should guess which of them the app uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::check_length;
use super::filters::{json, properties, shell};
use crate::words::name::shown;

/// The longest key before a colon, in bytes; YAML counts characters.
const MAX_YAML_KEY: usize = 1024;

/// A format of configuration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// What npm's dotenv, Node's `--env-file` and python-dotenv read alike.
    Dotenv,
    /// A JSON object of strings.
    Json,
    /// A Java properties file, in ASCII.
    Properties,
    /// `export NAME='value'`, for a POSIX shell's `.` command.
    Shell,
    /// A YAML mapping of strings.
    Yaml,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "dotenv" => Self::Dotenv,
            "json" => Self::Json,
            "properties" => Self::Properties,
            "shell" => Self::Shell,
            "yaml" => Self::Yaml,
            _ => {
                return Err(format!(
                    "{} is not a format: write dotenv, json, properties, shell or yaml",
                    shown(text)
                ));
            }
        })
    }
}

/// A document with a key for each file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) format: Format,
    /// The names of its files; `None`: all files of `objects`.
    pub(crate) files: Option<Vec<String>>,
    /// Are the keys in upper case?
    pub(crate) uppercase: bool,
}

impl Document {
    /// The keys of files, each with the file's name.
    ///
    /// # Errors
    /// A name that cannot be a key, and two files with one key.
    pub(crate) fn keys<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, &'a str>, String> {
        let mut keys = BTreeMap::new();
        for name in names {
            let key = if self.uppercase {
                name.to_uppercase()
            } else {
                name.to_owned()
            };
            self.format.check_key(name, &key)?;
            if let Some(other) = keys.insert(key, name)
                && other != name
            {
                return Err(format!(
                    "has one key for the files {} and {}: give one of them another objectAlias, or list the files under files",
                    shown(other),
                    shown(name)
                ));
            }
        }
        Ok(keys)
    }

    /// Writes the document: keys, each with the name and the content of its file.
    ///
    /// # Errors
    /// A content that the format cannot have, with the name of its file and never with the content.
    pub(crate) fn write<'a>(
        &self,
        contents: impl Iterator<Item = (&'a str, &'a str, &'a [u8])>,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let (before, between, after) = match self.format {
            Format::Json => ("{\n", ",\n", "\n}\n"),
            _ => ("", "", ""),
        };
        let mut lines = Vec::new();
        let mut length = before.len() + after.len();
        for (key, name, content) in contents {
            let line = std::str::from_utf8(content)
                .map_err(|_| "is not UTF-8 text".to_owned())
                .and_then(|value| self.format.line(key, value))
                .map_err(|reason| {
                    format!(
                        "needs the file {}, which {reason}: leave it out with files, or use another format",
                        shown(name)
                    )
                })?;
            length += line.len() + between.len();
            check_length(length)?;
            lines.push(line);
        }
        if lines.is_empty() && matches!(self.format, Format::Json | Format::Yaml) {
            return Ok(Zeroizing::new(b"{}\n".to_vec()));
        }
        // It never grows, which would leave a copy behind.
        let mut document = Zeroizing::new(Vec::with_capacity(length));
        document.extend_from_slice(before.as_bytes());
        for (index, line) in lines.iter().enumerate() {
            let separator = if index > 0 { between } else { "" };
            document.extend_from_slice(separator.as_bytes());
            document.extend_from_slice(line.as_bytes());
        }
        document.extend_from_slice(after.as_bytes());
        Ok(document)
    }
}

impl Format {
    fn check_key(self, name: &str, key: &str) -> Result<(), String> {
        let rule = match self {
            Self::Dotenv | Self::Shell if !is_variable(key) => {
                "a variable has only letters, digits and _, and starts with no digit"
            }
            Self::Yaml if key == "<<" => "YAML merges other mappings under that key",
            Self::Yaml if yaml(key).len() > MAX_YAML_KEY => "YAML has no longer keys",
            _ => return Ok(()),
        };
        Err(format!(
            "cannot have the key {} of the file {}, because {rule}: give the file another objectAlias, or list the files under files",
            shown(key),
            shown(name)
        ))
    }

    /// The line of a key; without its end in JSON.
    fn line(self, key: &str, value: &str) -> Result<Zeroizing<String>, String> {
        let is_text = matches!(self, Self::Dotenv | Self::Shell);
        if is_text && value.contains('\0') {
            return Err("has a NUL character".to_owned());
        }
        let value = Zeroizing::new(match self {
            Self::Dotenv => dotenv(value)?,
            Self::Json => json(value),
            Self::Properties => properties(value),
            Self::Shell => shell(value),
            Self::Yaml => yaml(value),
        });
        let value = value.as_str();
        Ok(Zeroizing::new(match self {
            Self::Dotenv => format!("{key}={value}\n"),
            Self::Json => format!("  {}: {value}", json(key)),
            Self::Properties => format!("{}={value}\n", properties(key)),
            Self::Shell => format!("export {key}={value}\n"),
            Self::Yaml => format!("{}: {value}\n", yaml(key)),
        }))
    }
}

fn is_variable(key: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !key.is_empty() && !key.as_bytes()[0].is_ascii_digit() && key.bytes().all(is_word)
}

/// A value in quotes that all three readers take as it is. In single quotes, python-dotenv unescapes `\\` and `\'`, and all look
/// for the next quote; in double quotes, each reads backslashes in its own way.
fn dotenv(value: &str) -> Result<String, String> {
    if value.contains('\r') {
        return Err("has a carriage return, which readers of dotenv files change".to_owned());
    }
    if value.contains("${") {
        return Err(
            "has a dollar sign before a brace, which some readers of dotenv files replace"
                .to_owned(),
        );
    }
    let is_unescaped = !value.contains(r"\\") && !value.contains(r"\'") && !value.ends_with('\\');
    if is_unescaped && !value.contains('\'') {
        return Ok(format!("'{value}'"));
    }
    if !value.contains(['"', '\\']) {
        return Ok(format!("\"{value}\""));
    }
    Err("has quotes or backslashes that readers of dotenv files read differently".to_owned())
}

/// A string in double quotes. JSON's escapes, but a JSON text may have characters that YAML does not allow, or takes for the end
/// of a line.
///
/// Source: <https://yaml.org/spec/1.2.2/#51-character-set>.
fn yaml(text: &str) -> String {
    let mut quoted = String::with_capacity(6 * text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        let code = u32::from(character);
        // Writing to a String does not fail.
        let _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            '\n' => write!(quoted, "\\n"),
            '\t' => write!(quoted, "\\t"),
            _ if character.is_control() => write!(quoted, "\\x{code:02x}"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                write!(quoted, "\\u{code:04x}")
            }
            _ => write!(quoted, "{character}"),
        };
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(format: &str, uppercase: bool) -> Document {
        Document {
            format: format.parse().unwrap(),
            files: None,
            uppercase,
        }
    }

    fn written(format: &str, files: &[(&str, &[u8])]) -> Result<String, String> {
        let document = document(format, true);
        let keys = document.keys(files.iter().map(|(name, _)| *name))?;
        let contents: BTreeMap<_, _> = files.iter().copied().collect();
        let entries = keys
            .iter()
            .map(|(key, name)| (key.as_str(), *name, contents[name]));
        let bytes = document.write(entries)?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn each_format_has_a_key_for_each_file() {
        let files: [(&str, &[u8]); 2] = [("user", b"it's"), ("a", b"p\"\n")];
        for (format, text) in [
            ("dotenv", "A='p\"\n'\nUSER=\"it's\"\n"),
            (
                "json",
                "{\n  \"A\": \"p\\\"\\n\",\n  \"USER\": \"it's\"\n}\n",
            ),
            ("properties", "A=p\"\\n\nUSER=it's\n"),
            ("shell", "export A='p\"\n'\nexport USER='it'\\''s'\n"),
            ("yaml", "\"A\": \"p\\\"\\n\"\n\"USER\": \"it's\"\n"),
        ] {
            assert_eq!(written(format, &files).as_deref(), Ok(text));
        }
        assert_eq!(written("json", &[]).as_deref(), Ok("{}\n"));
        assert_eq!(written("yaml", &[]).as_deref(), Ok("{}\n"));
        assert_eq!(written("dotenv", &[]).as_deref(), Ok(""));
        assert!("toml".parse::<Format>().is_err());
    }

    #[test]
    fn what_a_format_cannot_have_is_an_error_that_names_the_file() {
        let all: &[(&str, &[&str])] = &[
            ("db-user", &["dotenv", "shell"]),
            ("1a", &["dotenv", "shell"]),
            ("é", &["dotenv", "shell"]),
            ("<<", &["dotenv", "shell", "yaml"]),
        ];
        for (name, formats) in all {
            for format in ["dotenv", "json", "properties", "shell", "yaml"] {
                let made = written(format, &[(name, b"hunter2")]);
                assert_eq!(
                    made.is_err(),
                    formats.contains(&format),
                    "{format}: {made:?}"
                );
                if let Err(error) = made {
                    assert!(error.contains(&shown(name)), "{error}");
                }
            }
        }
        let twice = written("json", &[("a", b""), ("A", b"")]).unwrap_err();
        assert!(
            twice.starts_with("has one key for the files \"A\" and \"a\"")
                || twice.starts_with("has one key for the files \"a\" and \"A\""),
            "{twice}"
        );
        for (format, value) in [
            ("json", b"\xff".as_slice()),
            ("dotenv", b"a\0"),
            ("shell", b"a\0"),
            ("dotenv", b"a\r"),
            ("dotenv", b"${A}"),
            ("dotenv", b"it's \"q\""),
            ("dotenv", b"C:\\temp\\"),
            ("dotenv", b"x\\\\y"),
            ("dotenv", b"it's \\n"),
        ] {
            let error = written(format, &[("user", value)]).unwrap_err();
            assert!(
                error.starts_with("needs the file \"user\", which "),
                "{error}"
            );
        }
    }

    #[test]
    fn yaml_reads_back_every_character() {
        for range in [
            0..0x3000_u32,
            0xd700..0xd800,
            0xe000..0x1_0100,
            0x1_f500..0x1_f600,
        ] {
            let text: String = range.filter_map(char::from_u32).collect();
            let read: String = serde_yaml::from_str(&yaml(&text)).unwrap();
            assert_eq!(read, text);
        }
    }
}
