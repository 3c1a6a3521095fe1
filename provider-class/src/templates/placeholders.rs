//! Text with placeholders: `{{ files["NAME"] | FILTER | FILTER("TEXT") }}`, and `{{ "TEXT" }}` for text with braces.

use std::fmt;

use zeroize::Zeroizing;

use super::filters::Filter;
use super::{MAX_FILTERS, check_length, hints};
use crate::words::name::shown;

/// A place in a template: line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    line: usize,
    column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column } = self;
        write!(f, "line {line}, column {column} of the template")
    }
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({at})")]
pub(crate) struct Mistake {
    reason: String,
    at: Position,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text that is written as it is.
    Text(String),
    /// A file's content.
    Placeholder(Placeholder),
}

/// A file's content, after its filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placeholder {
    /// The name of the file.
    pub(crate) name: String,
    /// Where it starts.
    pub(crate) at: Position,
    filters: Vec<Filter>,
}

impl Placeholder {
    /// Is there a text for a file that does not exist?
    pub(crate) fn has_default(&self) -> bool {
        self.default_index().is_some()
    }

    fn default_index(&self) -> Option<usize> {
        let is_default = |filter: &Filter| matches!(filter, Filter::Default(_));
        self.filters.iter().position(is_default)
    }

    /// Fills in the content of its file, `None` if there is no such file.
    ///
    /// # Errors
    /// What is wrong with the content, or that it is missing; never with a value.
    pub(crate) fn fill(&self, content: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, String> {
        let (mut value, filters) = match (content, self.default_index()) {
            (Some(content), _) => (Zeroizing::new(content.to_vec()), &self.filters[..]),
            (None, Some(default)) => (Zeroizing::default(), &self.filters[default..]),
            (None, None) => {
                let name = shown(&self.name);
                return Err(format!(
                    "needs the file {name}, which does not exist: correct the name, or add | default(\"…\") for an optional file"
                ));
            }
        };
        let mut is_missing = content.is_none();
        for filter in filters {
            match filter {
                Filter::Default(text) if is_missing => {
                    value = Zeroizing::new(text.clone().into());
                    is_missing = false;
                }
                Filter::Default(_) => {}
                filter => {
                    let applied = filter.apply(&value);
                    value = applied.map_err(|reason| {
                        format!("cannot use the file {}: {reason}", shown(&self.name))
                    })?;
                }
            }
            check_length(value.len())?;
        }
        if std::str::from_utf8(&value).is_err() {
            return Err(format!(
                "cannot use the file {}: it is not UTF-8 text: use b64encode, or write a binary file with objectEncoding",
                shown(&self.name)
            ));
        }
        Ok(value)
    }
}

/// Parses a template, in one pass.
///
/// # Errors
/// The first mistake.
pub(crate) fn parse(template: &str) -> Result<Vec<Part>, Mistake> {
    let mut reader = Reader {
        rest: template,
        at: Position { line: 1, column: 1 },
    };
    let mut parts = Vec::new();
    loop {
        let start = reader
            .rest
            .as_bytes()
            .windows(2)
            .position(|pair| matches!(pair, b"{{" | b"{%"));
        let text = reader.advance(start.unwrap_or(reader.rest.len()));
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        if start.is_none() {
            parts.shrink_to_fit();
            return Ok(parts);
        }
        parts.push(reader.placeholder()?);
    }
}

/// A template's text that is not read yet.
struct Reader<'a> {
    rest: &'a str,
    at: Position,
}

impl<'a> Reader<'a> {
    /// Takes this many bytes.
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        match taken.rfind('\n') {
            Some(end) => {
                self.at.line += taken.matches('\n').count();
                self.at.column = taken[end..].chars().count();
            }
            None => self.at.column += taken.chars().count(),
        }
        taken
    }

    fn spaces(&mut self) {
        let spaces = self.rest.len() - self.rest.trim_ascii_start().len();
        self.advance(spaces);
    }

    /// Takes a mark, and the spaces before it.
    fn mark(&mut self, mark: &str) -> bool {
        self.spaces();
        let is_next = self.rest.starts_with(mark);
        if is_next {
            self.advance(mark.len());
        }
        is_next
    }

    /// Takes a word, and the spaces before it; empty if there is none.
    fn word(&mut self) -> &'a str {
        self.spaces();
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let end = self.rest.find(|character| !is_word(character));
        self.advance(end.unwrap_or(self.rest.len()))
    }

    /// Takes a text in quotes, and the spaces before it. `None` if there is none.
    fn quoted(&mut self) -> Result<Option<String>, Mistake> {
        self.spaces();
        let at = self.at;
        let Some(quote @ ('"' | '\'')) = self.rest.chars().next() else {
            return Ok(None);
        };
        self.advance(1);
        let mut text = String::new();
        loop {
            let end = self.rest.find([quote, '\\']).unwrap_or(self.rest.len());
            text.push_str(self.advance(end));
            let escaped = self.rest.chars().nth(1);
            if self.rest.is_empty() {
                let reason = "has a text without its closing quote".to_owned();
                return Err(Mistake { reason, at });
            }
            if self.rest.starts_with(quote) {
                self.advance(1);
                return Ok(Some(text));
            }
            text.push(match escaped {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(escaped @ ('"' | '\'' | '\\')) => escaped,
                _ => {
                    return Err(self.mistake(
                        "has an unknown escape in quotes: write \\\\ for a backslash; the others are \\\", \\', \\n, \\r and \\t",
                    ));
                }
            });
            self.advance(2);
        }
    }

    /// Takes a placeholder.
    fn placeholder(&mut self) -> Result<Part, Mistake> {
        let at = self.at;
        if self.rest.starts_with("{%") {
            return Err(self.mistake(hints::STATEMENT));
        }
        self.advance(2);
        if let Some(text) = self.quoted()? {
            self.end(at)?;
            return Ok(Part::Text(text));
        }
        if let Some(hint) = hints::other_language(self.rest) {
            return Err(Mistake { reason: hint, at });
        }
        let is_file = self.word() == "files" && self.mark("[");
        let name = if is_file { self.quoted()? } else { None };
        let Some(name) = name.filter(|_| self.mark("]")) else {
            return Err(Mistake {
                reason: hints::PLACEHOLDER.to_owned(),
                at,
            });
        };
        let mut filters = Vec::new();
        while self.mark("|") {
            if filters.len() == MAX_FILTERS {
                return Err(self.mistake(&format!(
                    "has more than {MAX_FILTERS} filters in a placeholder: use fewer"
                )));
            }
            filters.push(self.filter()?);
        }
        filters.shrink_to_fit();
        self.end(at)?;
        Ok(Part::Placeholder(Placeholder { name, at, filters }))
    }

    /// Takes a filter after its `|`.
    fn filter(&mut self) -> Result<Filter, Mistake> {
        self.spaces();
        let at = self.at;
        let name = self.word();
        if !Filter::is_known(name) {
            // Its text does not matter.
            return Filter::new(name, None).map_err(|reason| Mistake { reason, at });
        }
        let argument = if self.mark("(") {
            let text = self.quoted()?;
            let Some(text) = text.filter(|_| self.mark(")")) else {
                let reason = format!(
                    "has no single text in quotes in the brackets of {}: write one, as in default(\"none\")",
                    shown(name)
                );
                return Err(Mistake { reason, at });
            };
            Some(text)
        } else {
            None
        };
        Filter::new(name, argument).map_err(|reason| Mistake { reason, at })
    }

    /// Takes the end of a placeholder that started at a place.
    fn end(&mut self, start: Position) -> Result<(), Mistake> {
        if self.mark("}}") {
            return Ok(());
        }
        if self.rest.is_empty() {
            return Err(Mistake {
                reason: "has a placeholder without its end: write }} after it".to_owned(),
                at: start,
            });
        }
        let next: String = self.rest.chars().take(1).collect();
        Err(self.mistake(&format!(
            "has {next:?} in a placeholder where | or }}}} must be: {}",
            hints::PLACEHOLDERS_HAVE
        )))
    }

    fn mistake(&self, reason: &str) -> Mistake {
        Mistake {
            reason: reason.to_owned(),
            at: self.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Result<String, String> {
        let files = |name: &str| -> Option<&[u8]> {
            match name {
                "user" => Some(b"app"),
                "password" => Some(b"p@ss w:rd"),
                "a/b\"c" => Some(b"quoted"),
                "bytes" => Some(b"\xff\0"),
                _ => None,
            }
        };
        let parts = parse(template).map_err(|mistake| mistake.to_string())?;
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(own) => text.push_str(&own),
                Part::Placeholder(placeholder) => {
                    let filled = placeholder.fill(files(&placeholder.name))?;
                    text.push_str(std::str::from_utf8(&filled).unwrap());
                }
            }
        }
        Ok(text)
    }

    #[test]
    fn placeholders_are_filled_and_the_rest_stays_byte_for_byte() {
        for (template, text) in [
            ("", ""),
            ("a\r\n\n", "a\r\n\n"),
            ("{{files['user']}}\n", "app\n"),
            (
                "a={{ files[\"password\"]\n | urlencode|upper }} }} { {#x#} ${x} }",
                "a=P%40SS%20W%3ARD }} { {#x#} ${x} }",
            ),
            (
                "{{ \"{{\" }}{{ '{%' }}{{ \"a\\\"\\\\\\n\" }}",
                "{{{%a\"\\\n",
            ),
            ("{\"u\":{{ files[\"user\"] | tojson }}}", "{\"u\":\"app\"}"),
            ("{{ files[\"a/b\\\"c\"] }}", "quoted"),
            ("{{ files[\"bytes\"] | b64encode }}", "/wA="),
            (
                "{{ files[\"none\"] | default(\"x y\") | urlencode }}",
                "x%20y",
            ),
            ("{{ files[\"none\"] | b64decode | default('') }}", ""),
            ("{{ files[\"user\"] | default(\"x\") }}", "app"),
            ("é{{ files[\"user\"] }}é", "éappé"),
        ] {
            assert_eq!(filled(template).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_filled_in_is_an_error_without_it() {
        for (template, words) in [
            (
                "{{ files[\"none\"] }}",
                "needs the file \"none\", which does not exist",
            ),
            ("{{ files[\"none\"] | upper }}", "needs the file \"none\""),
            ("{{ files[\"bytes\"] }}", "is not UTF-8 text: use b64encode"),
            (
                "{{ files[\"bytes\"] | upper }}",
                "it is not UTF-8 text, which upper takes",
            ),
            (
                "{{ files[\"password\"] | b64decode }}",
                "b64decode takes base64, but it has a space at position 5",
            ),
        ] {
            let failure = filled(template).unwrap_err();
            assert!(failure.contains(words), "{template}: {failure}");
            assert!(!failure.contains("p@ss"), "{failure}");
        }
    }

    #[test]
    fn what_is_not_a_placeholder_is_refused_with_line_column_and_remedy() {
        for (template, words) in [
            (
                "a\n é{{ files[\"a\"] ",
                "has a placeholder without its end: write }} after it (line 2, column 3 of",
            ),
            (
                "{{ files[\"a] }}",
                "has a text without its closing quote (line 1, column 10 of",
            ),
            ("{{", "line 1, column 1"),
            ("{{ }}", "has a placeholder that names no file"),
            ("{{ user }}", "has a placeholder that names no file"),
            ("{{ files.user }}", "write files[\"user\"]"),
            ("{{ files | tojson }}", "format: json"),
            (
                "{{ files[\"a\"][0] }}",
                "has \"[\" in a placeholder where | or }} must be",
            ),
            ("{{ files[\"a\"] + 1 }}", "has \"+\" in"),
            ("{{ files['a'] ~ files['b'] }}", "has \"~\" in"),
            ("{{ files[a] }}", "has a placeholder that names no file"),
            ("{{ \"a\" | upper }}", "has \"|\" in"),
            (
                "\n\n{% for x in files %}",
                "has {%, but templates have no statements",
            ),
            (
                "{{ files[\"a\"] | sha1 }}",
                "has the unknown filter \"sha1\": the filters are ",
            ),
            (
                "{{ files[\"a\"] | quote }}",
                "has the unknown filter \"quote\": write tojson",
            ),
            ("{{ files[\"a\"] | b64enc }}", "write b64encode"),
            ("{{ files[\"a\"] | }}", "has the unknown filter \"\""),
            (
                "{{ files[\"a\"] | replace(\"a\", \"b\") }}",
                "has the unknown filter \"replace\"",
            ),
            ("{{ files[\"a\"] | upper(\"a\") }}", "takes no text"),
            ("{{ files[\"a\"] | default }}", "needs a text"),
            (
                "{{ files[\"a\"] | default() }}",
                "has no single text in quotes",
            ),
            (
                "{{ files[\"a\"] | default(1) }}",
                "has no single text in quotes",
            ),
            ("{{ files[\"\\x\"] }}", "has an unknown escape in quotes"),
            ("{{- files[\"a\"] }}", "remove the hyphen"),
            ("{{ files[\"a\"] -}}", "has \"-\" in"),
            ("{{ .Data.password }}", "Go's template language"),
            (
                "{{ with secret \"a\" }}",
                "has \"with\", but templates have no blocks",
            ),
            ("{{ if files[\"a\"] }}", "has \"if\", but"),
            ("{{ end }}", "has \"end\", but"),
            ("{{/* a */}}", "comments"),
            ("{{{files[\"a\"]}}}", "{{ \"{\" }}"),
        ] {
            let mistake = parse(template).unwrap_err().to_string();
            assert!(mistake.contains(words), "{template}: {mistake}");
            assert!(mistake.ends_with(" of the template)"), "{mistake}");
        }
    }
}
