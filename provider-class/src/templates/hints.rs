//! What people write in Vault's, Go's, Helm's and Jinja's templates, and what to write here.

use crate::words::name::shown;

/// A `{%`.
pub(super) const STATEMENT: &str = "has {%, but templates have no statements: use format for all files, default(\"…\") for optional ones, and {{ \"{%\" }} for the characters";
/// A placeholder of another form.
pub(super) const PLACEHOLDER: &str = "has a placeholder that names no file: write {{ files[\"NAME\"] }}, or {{ \"{{\" }} for the characters";
/// What placeholders have.
pub(super) const PLACEHOLDERS_HAVE: &str =
    "placeholders have no operators; write {{ files[\"NAME\"] | FILTER }}, and other text outside";

/// Words that start a block or call a function in other languages.
const BLOCKS: [&str; 16] = [
    "if", "else", "end", "range", "with", "for", "define", "template", "block", "include",
    "secret", "secrets", "key", "index", "printf", "env",
];

/// Names of filters in other languages.
const FILTERS: [(&str, &str); 14] = [
    ("quote", "tojson"),
    ("toJSON", "tojson"),
    ("toJson", "tojson"),
    ("squote", "shell"),
    ("b64enc", "b64encode"),
    ("base64Encode", "b64encode"),
    ("base64encode", "b64encode"),
    ("b64dec", "b64decode"),
    ("base64Decode", "b64decode"),
    ("base64decode", "b64decode"),
    ("urlquery", "urlencode"),
    ("toUpper", "upper"),
    ("toLower", "lower"),
    ("trimSpace", "trim"),
];

/// What is wrong with a placeholder in another language; `code` is what follows its `{{`.
pub(super) fn other_language(code: &str) -> Option<String> {
    if code.starts_with('-') {
        return Some(
            "has {{-, but placeholders leave spaces as they are: remove the hyphen".into(),
        );
    }
    if code.starts_with('{') {
        return Some("has {{{: write {{ \"{\" }} for a brace before a placeholder".into());
    }
    let code = code.trim_ascii_start();
    if code.starts_with("/*") {
        return Some("has {{/*, but templates have no comments: remove it".into());
    }
    if code.starts_with(['.', '$']) {
        return Some(
            "has a placeholder of Go's template language: write {{ files[\"NAME\"] }}".into(),
        );
    }
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let (word, rest) = code.split_at(code.find(|character| !is_word(character))?);
    if BLOCKS.contains(&word) {
        return Some(format!(
            "has {word:?}, but templates have no blocks and functions: write {{{{ files[\"NAME\"] }}}}, use format for all files, and default(\"…\") for optional ones"
        ));
    }
    if word != "files" {
        return None;
    }
    if let Some(name) = rest.strip_prefix('.') {
        let end = name.find(|character| !is_word(character));
        let name = shown(&name[..end.unwrap_or(name.len())]);
        return Some(format!(
            "has a file's name after a dot: write files[{name}]"
        ));
    }
    let is_all = rest.trim_ascii_start().starts_with(['|', '}']);
    is_all.then(|| "has a placeholder for all files: use format: json, dotenv, properties, shell or yaml in place of template".into())
}

/// The name of a filter of another language here.
pub(super) fn filter(name: &str) -> Option<&'static str> {
    let mut known = FILTERS.iter();
    known.find(|(other, _)| *other == name).map(|(_, own)| *own)
}
