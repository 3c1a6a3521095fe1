//! JMESPath expressions that compile, and help with the one that people trip over: a key with a hyphen must be quoted.
//!
//! Source: <https://jmespath.org/specification.html>.

use std::fmt;
use std::str::FromStr;

/// An expression that compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JmesPath(String);

/// Why a string is not a JMESPath expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJmesPath {
    /// The parser refuses it.
    #[error("{expression:?} is not a JMESPath expression: {reason}{}", hint(.quoted.as_deref()))]
    Syntax {
        /// As written.
        expression: String,
        /// What the parser says.
        reason: String,
        /// The same with its keys quoted, if that compiles.
        quoted: Option<String>,
    },
    /// Its parser recurses: an expression without a bound could exhaust the stack.
    #[error("is longer than the {MAX_BYTES} bytes that are allowed here: use a shorter expression")]
    TooLong,
    /// For the same reason.
    #[error(
        "nests deeper than the {MAX_DEPTH} levels that are allowed here: use a simpler expression"
    )]
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

    /// This expression with its keys quoted, if it differs and compiles.
    pub(crate) fn quoted(&self) -> Vec<Self> {
        let whole = format!("\"{}\"", self.0);
        let candidates = quote_keys(&self.0)
            .into_iter()
            .chain((!self.0.contains('"')).then_some(whole));
        candidates.filter_map(|text| text.parse().ok()).collect()
    }
}

/// How to write an expression in YAML so that its double quotes survive.
pub(crate) fn hint(quoted: Option<&str>) -> String {
    quoted.map_or_else(String::new, |quoted| {
        format!("; a key with a hyphen or another special character must be quoted: write path: '{quoted}'")
    })
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

/// Double quotes around each key of a dotted expression that needs them: `db.api-key` to `db."api-key"`.
fn quote_keys(expression: &str) -> Option<String> {
    if expression.contains(['"', '\'', '`', '(', ' ']) {
        return None;
    }
    let plain = |key: &str| {
        key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !key.starts_with(|c: char| c.is_ascii_digit())
    };
    let quote = |part: &str| {
        let (key, rest) = part.find('[').map_or((part, ""), |at| part.split_at(at));
        if plain(key) {
            part.to_owned()
        } else {
            format!("\"{key}\"{rest}")
        }
    };
    let quoted = expression
        .split('.')
        .map(quote)
        .collect::<Vec<_>>()
        .join(".");
    (quoted != expression).then_some(quoted)
}

/// The deepest nesting that the expression could ask of a recursive parser or evaluator.
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

impl FromStr for JmesPath {
    type Err = InvalidJmesPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_BYTES {
            return Err(InvalidJmesPath::TooLong);
        }
        if depth(text) > MAX_DEPTH {
            return Err(InvalidJmesPath::TooDeep);
        }
        match jmespath::compile(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(InvalidJmesPath::Syntax {
                expression: text.to_owned(),
                reason: reason(&error),
                quoted: quote_keys(text).filter(|quoted| jmespath::compile(quoted).is_ok()),
            }),
        }
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
