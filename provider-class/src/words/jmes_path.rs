//! JMESPath expressions that compile, and hints for frequent mistakes: a key with a hyphen must be quoted, and a path starts
//! with the key itself.
//!
//! Source: <https://jmespath.org/specification.html>.

use std::fmt;
use std::str::FromStr;

use jmespath::ast::Ast;

use super::jmes_hint;

/// An expression that compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JmesPath(String);

/// Why a string is not a JMESPath expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJmesPath {
    /// The parser refuses it.
    #[error("{expression:?} is not a JMESPath expression: {reason}{}", hint(expression, .meant.as_deref()))]
    Syntax {
        /// As written.
        expression: String,
        /// What the parser says.
        reason: String,
        /// The expression that was probably meant, if it compiles.
        meant: Option<String>,
    },
    /// The parser is recursive: without a limit, an expression could exhaust the stack.
    #[error("is longer than {MAX_BYTES} bytes: use a shorter expression")]
    TooLong,
    /// For the same reason.
    #[error("is nested more than {MAX_DEPTH} levels deep: use a simpler expression")]
    TooDeep,
}

const MAX_BYTES: usize = 4096;
const MAX_DEPTH: usize = 100;

impl JmesPath {
    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Evaluates it; the error never has a value in it, only types and positions.
    pub(crate) fn search(&self, json: &jmespath::Rcvar) -> Result<jmespath::Rcvar, String> {
        let expression = jmespath::compile(&self.0).map_err(|error| reason(&error))?;
        expression.search(json).map_err(|error| reason(&error))
    }

    /// The keys that lead to the value, if the expression has nothing else.
    pub(crate) fn keys(&self) -> Option<Vec<String>> {
        let expression = jmespath::compile(&self.0).ok()?;
        let mut keys = Vec::new();
        let mut rest = expression.as_ast();
        while let Ast::Subexpr { lhs, rhs, .. } = rest {
            keys.push(key(rhs)?);
            rest = lhs;
        }
        keys.push(key(rest)?);
        keys.reverse();
        Some(keys)
    }

    /// Other expressions that may have been meant.
    pub(crate) fn others(&self) -> Vec<Self> {
        let unquoted = self.0.replace('"', "");
        let candidates = [
            jmes_hint::meant(&self.0),
            jmes_hint::meant(&unquoted),
            Some(jmes_hint::key(&unquoted)),
        ];
        let candidates = candidates.into_iter().flatten();
        candidates
            .filter(|text| *text != self.0)
            .filter_map(|text| text.parse().ok())
            .collect()
    }
}

fn key(part: &Ast) -> Option<String> {
    match part {
        Ast::Field { name, .. } => Some(name.clone()),
        _ => None,
    }
}

/// What to write instead of an expression, quoted for YAML so that its double quotes survive.
pub(crate) fn hint(expression: &str, meant: Option<&str>) -> String {
    let Some(meant) = meant else {
        return String::new();
    };
    let path = jmes_hint::yaml(meant);
    let start = expression.trim_start_matches('"');
    if start.starts_with(['$', '.', '/']) {
        format!(
            "; a path starts with the key itself, without \"$\", \".\" or \"/\": write path: {path}"
        )
    } else {
        format!(
            "; a key with a hyphen or another special character must be quoted: write path: {path}"
        )
    }
}

fn reason(error: &jmespath::JmespathError) -> String {
    use jmespath::{ErrorReason, RuntimeError};
    let text = match &error.reason {
        ErrorReason::Parse(text) => text.clone(),
        ErrorReason::Runtime(RuntimeError::InvalidType {
            expected,
            actual,
            position,
        }) => {
            format!("argument {position} must be {expected}, not {actual}")
        }
        ErrorReason::Runtime(RuntimeError::InvalidReturnType {
            expected, actual, ..
        }) => {
            format!("must give {expected}, not {actual}")
        }
        ErrorReason::Runtime(other) => other.to_string(),
    };
    format!(
        "{} (column {})",
        text.trim_end_matches(['.', '\n']),
        error.column + 1
    )
}

/// An upper bound of the recursion that the expression needs in parser and evaluator.
fn depth(expression: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    let mut chained = 0_usize;
    for byte in expression.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'!' | b'&' | b'|' | b'.' | b'<' | b'>' | b'=' => chained += 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest + chained + expression.matches('[').count()
}

/// Compiles an expression; the error has no hint yet.
fn compiled(text: &str) -> Result<JmesPath, InvalidJmesPath> {
    if text.len() > MAX_BYTES {
        return Err(InvalidJmesPath::TooLong);
    }
    if depth(text) > MAX_DEPTH {
        return Err(InvalidJmesPath::TooDeep);
    }
    match jmespath::compile(text) {
        Ok(_) => Ok(JmesPath(text.to_owned())),
        Err(error) => Err(InvalidJmesPath::Syntax {
            expression: text.to_owned(),
            reason: reason(&error),
            meant: None,
        }),
    }
}

impl FromStr for JmesPath {
    type Err = InvalidJmesPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        compiled(text).map_err(|error| match error {
            InvalidJmesPath::Syntax {
                expression, reason, ..
            } => InvalidJmesPath::Syntax {
                expression,
                reason,
                meant: jmes_hint::meant(text).filter(|meant| compiled(meant).is_ok()),
            },
            other => other,
        })
    }
}

impl fmt::Display for JmesPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unquoted_hyphen_gets_the_mend() {
        let error = "api-key".parse::<JmesPath>().unwrap_err().to_string();
        assert!(error.ends_with("write path: '\"api-key\"'"), "{error}");
        let error = "db[0].api-key".parse::<JmesPath>().unwrap_err().to_string();
        assert!(
            error.ends_with("write path: 'db[0].\"api-key\"'"),
            "{error}"
        );
        let error = "a..b".parse::<JmesPath>().unwrap_err().to_string();
        assert!(
            error.contains("a..b") && !error.contains("must be quoted"),
            "{error}"
        );
    }

    #[test]
    fn paths_of_other_languages_get_the_jmespath() {
        for (expression, meant) in [
            ("$.username", "username"),
            (".username", "username"),
            ("/username", "username"),
            ("$.db.users[0].name", "db.users[0].name"),
            ("/db/api-key", "db.\"api-key\""),
            ("$.it's", "\"it's\""),
        ] {
            let Err(InvalidJmesPath::Syntax { meant: found, .. }) = expression.parse::<JmesPath>()
            else {
                // A hint that could be read as an expression has to be one.
                panic!("{expression} is an expression");
            };
            // Quotes are no part of a key without brackets.
            let expected = (expression != "$.it's").then_some(meant);
            assert_eq!(found.as_deref(), expected, "{expression}");
        }
        let error = "$.username".parse::<JmesPath>().unwrap_err().to_string();
        assert!(
            error.ends_with(
                "a path starts with the key itself, without \"$\", \".\" or \"/\": write path: username"
            ),
            "{error}"
        );
    }

    #[test]
    fn takes_more_than_keys() {
        for text in [
            "username",
            "\"api-key\"",
            "a.b[0].c",
            "join(',', hosts)",
            "items[?name=='x'].value | [0]",
            "@",
            "a || b",
        ] {
            assert!(text.parse::<JmesPath>().is_ok(), "{text}");
        }
    }

    #[test]
    fn no_expression_exhausts_the_stack() {
        for piece in [
            "(", "[", "!", "a.", "a[", "[?", "a|", "a||", "a&&", "{a:", "&", "[*]", "[]", "a[*].",
            "f(", "a==", "-", "*.", "`", "\"", "a[?a[",
        ] {
            for text in [
                piece.repeat(2000),
                piece.repeat(MAX_BYTES / piece.len()),
                piece.repeat(MAX_DEPTH / 2),
            ] {
                let _ = text.parse::<JmesPath>();
                let _ = format!("{text}a").parse::<JmesPath>();
            }
        }
        assert_eq!(
            "a".repeat(MAX_BYTES + 1).parse::<JmesPath>(),
            Err(InvalidJmesPath::TooLong)
        );
        assert_eq!(
            "(".repeat(MAX_DEPTH + 1).parse::<JmesPath>(),
            Err(InvalidJmesPath::TooDeep)
        );
    }
}
