//! From a fetched value to the contents of files.

use std::fmt;

use jmespath::{Rcvar, Variable};
use zeroize::Zeroizing;

use super::number::Numbers;
use crate::words::jmes_path;
use crate::{Extract, Field, File, JmesPath, Object};

/// The contents of one file; the bytes are zeroized when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContents {
    /// Its path and permissions.
    pub file: File,
    /// The secret, as it goes to the file.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Shows only the size: the bytes are secret.
impl fmt::Debug for FileContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "FileContents({}, {} bytes)",
            self.file.path,
            self.bytes.len()
        )
    }
}

/// Why a value cannot become the files of its object. It never quotes the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// `jmesPath` needs JSON.
    #[error("{field}: the value is not JSON: {reason}; store JSON, or remove jmesPath")]
    NotJson {
        /// The object's `jmesPath`.
        field: Field,
        /// What the JSON parser says: a position, no content.
        reason: String,
    },
    /// One of the paths.
    #[error("{field}: path {path:?} for the file {alias:?} {reason}")]
    Path {
        /// The item of `jmesPath`.
        field: Field,
        /// The expression.
        path: String,
        /// The file.
        alias: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Object {
    /// The files of a value: the whole value and its parts.
    pub fn contents(&self, value: &[u8]) -> Result<Vec<FileContents>, Vec<ExtractError>> {
        let whole = FileContents {
            file: self.file.clone(),
            bytes: Zeroizing::new(value.to_vec()),
        };
        if self.extracts.is_empty() {
            return Ok(vec![whole]);
        }
        let (text, json) = parse(value).map_err(|reason| {
            vec![ExtractError::NotJson {
                field: self.field("jmesPath"),
                reason,
            }]
        })?;
        let numbers = Numbers::of(text);
        let mut contents = vec![whole];
        let mut errors = Vec::new();
        for extract in &self.extracts {
            match extract.value(&json, &numbers) {
                Ok(bytes) => contents.push(FileContents {
                    file: extract.file.clone(),
                    bytes,
                }),
                Err(reason) => errors.push(ExtractError::Path {
                    field: self.field(&format!("jmesPath[{}]", extract.index)),
                    path: extract.path.to_string(),
                    alias: extract.file.path.to_string(),
                    reason,
                }),
            }
        }
        if errors.is_empty() {
            Ok(contents)
        } else {
            Err(errors)
        }
    }
}

/// A value as JSON, or the reason why it is not JSON, which does not quote it.
fn parse(value: &[u8]) -> Result<(&str, Rcvar), String> {
    let text = std::str::from_utf8(value).map_err(|_| "it is not UTF-8 text".to_owned())?;
    match serde_json::from_str::<Variable>(text) {
        Ok(json) => Ok((text, Rcvar::new(json))),
        Err(error) => Err(format!(
            "stopped at line {} column {}",
            error.line(),
            error.column()
        )),
    }
}

impl Extract {
    fn value(&self, json: &Rcvar, numbers: &Numbers) -> Result<Zeroizing<Vec<u8>>, String> {
        let found = self
            .path
            .search(json)
            .map_err(|reason| format!("fails: {reason}"))?;
        let written = match found.as_ref() {
            Variable::String(string) => string.clone(),
            Variable::Bool(boolean) => boolean.to_string(),
            Variable::Number(number) => numbers.text(number)
                .ok_or("gives a number that cannot be distinguished from another one in this secret: store it as a string")?,
            Variable::Null => return Err(format!("finds nothing{}", nothing_hint(&self.path, json))),
            Variable::Array(_) => return Err("gives a list: select one item, for example with [0]".to_owned()),
            Variable::Object(_) => return Err("gives an object: select one of its keys".to_owned()),
            Variable::Expref(_) => return Err("gives an expression, not a value".to_owned()),
        };
        Ok(Zeroizing::new(written.into_bytes()))
    }
}

/// What to do about a path that finds nothing. Another path is suggested only if it finds something.
fn nothing_hint(path: &JmesPath, json: &Rcvar) -> String {
    for other in path.others() {
        if other.search(json).is_ok_and(|found| !found.is_null()) {
            return jmes_path::hint(path.as_str(), Some(other.as_str()));
        }
    }
    ": the key is missing or null; correct the path, or the secret".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, SecretProviderClassSpec};

    fn object(paths: &[&str]) -> Object {
        let items: Vec<_> = paths
            .iter()
            .enumerate()
            .map(|(n, path)| serde_json::json!({"path": path, "objectAlias": format!("file{n}")}))
            .collect();
        let objects = serde_json::json!([{"objectName": "s", "objectType": "secretsmanager", "jmesPath": items}]);
        let spec = SecretProviderClassSpec::aws([("objects", objects.to_string())]);
        Class::parse("test", &spec).unwrap().objects.remove(0)
    }

    fn written(path: &str, json: &str) -> Result<String, String> {
        let contents = object(&[path])
            .contents(json.as_bytes())
            .map_err(|errors| errors[0].to_string())?;
        assert_eq!(
            &contents[0].bytes[..],
            json.as_bytes(),
            "the whole value is written too"
        );
        Ok(String::from_utf8(contents[1].bytes.to_vec()).unwrap())
    }

    #[test]
    fn strings_numbers_and_booleans_are_written() {
        let json = r#"{"a": "x\ny", "port": 5432, "price": 1.10, "on": true, "empty": "", "n": {"m": [{"k": "deep"}]}, "api-key": "q"}"#;
        for (path, text) in [
            ("a", "x\ny"),
            ("port", "5432"),
            ("price", "1.10"),
            ("on", "true"),
            ("empty", ""),
            ("n.m[0].k", "deep"),
            ("\"api-key\"", "q"),
            ("to_string(port)", "5432"),
            ("length(a)", "3"),
            ("join('-', [a, a])", "x\ny-x\ny"),
        ] {
            assert_eq!(written(path, json).as_deref(), Ok(text), "{path}");
        }
    }

    #[test]
    fn everything_else_is_an_error_without_the_value() {
        let json =
            r#"{"list": ["hunter2"], "object": {"k": "hunter2"}, "null": null, "s": "hunter2"}"#;
        for (path, reason) in [
            ("list", "gives a list"),
            ("object", "gives an object"),
            ("null", "finds nothing"),
            ("missing", "finds nothing"),
            ("abs(s)", "fails: argument"),
        ] {
            let error = written(path, json).unwrap_err();
            assert!(
                error.starts_with(&format!(
                    "objects[0] \"s\": jmesPath[0]: path {path:?} for the file \"file0\" {reason}"
                )),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_path_that_would_work_quoted_says_so() {
        let error = written("db.host", r#"{"db.host": "x"}"#).unwrap_err();
        assert!(error.ends_with("write path: '\"db.host\"'"), "{error}");
    }

    #[test]
    fn what_was_written_after_an_older_hint_gets_the_right_one() {
        let error = written("\"$\".username", r#"{"username": "x"}"#).unwrap_err();
        assert!(error.ends_with("write path: username"), "{error}");
    }

    #[test]
    fn all_failing_paths_are_named() {
        assert_eq!(
            object(&["a", "b", "c"])
                .contents(b"{\"b\": 1}")
                .unwrap_err()
                .len(),
            2
        );
    }

    #[test]
    fn what_is_not_json_is_refused_without_its_content() {
        for value in [&b"hunter2"[..], b"{\"hunter2\": ", b"\xffhunter2"] {
            let error = object(&["a"]).contents(value).unwrap_err()[0].to_string();
            assert!(
                error.starts_with("objects[0] \"s\": jmesPath: the value is not JSON")
                    && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn without_paths_any_bytes_do() {
        let contents = object(&[]).contents(&[0, 255, 10]).unwrap();
        assert_eq!(&contents[0].bytes[..], [0, 255, 10]);
    }
}
