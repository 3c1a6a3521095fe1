//! From a fetched value to the contents of files.

use std::fmt;

use jmespath::{Rcvar, Variable};
use zeroize::Zeroizing;

use crate::{Extract, File, JmesPath, Object, jmes_path, number};

/// What goes into one file; the bytes are zeroized when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContents {
    /// Where and with which permissions.
    pub file: File,
    /// The secret, as it goes to the file.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Shows the size alone: the bytes are secret.
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

/// Why a value cannot become the files of its object. Never says what the value is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// `jmesPath` needs JSON.
    #[error(
        "objects[{object}].jmesPath: the value is not JSON: {reason}; store JSON, or remove jmesPath"
    )]
    NotJson {
        /// The object's index.
        object: usize,
        /// What the JSON parser says: a position, no content.
        reason: String,
    },
    /// One of the paths.
    #[error("objects[{object}].jmesPath[{item}]: path {path:?} for the file {alias:?} {reason}")]
    Path {
        /// The object's index.
        object: usize,
        /// The item's index.
        item: usize,
        /// The expression.
        path: String,
        /// The file.
        alias: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Object {
    /// The files that this object makes of its value: the whole value, and its parts.
    pub fn contents(&self, value: &[u8]) -> Result<Vec<FileContents>, Vec<ExtractError>> {
        let whole = FileContents {
            file: self.file.clone(),
            bytes: Zeroizing::new(value.to_vec()),
        };
        if self.extracts.is_empty() {
            return Ok(vec![whole]);
        }
        let not_json = |reason: String| {
            vec![ExtractError::NotJson {
                object: self.index,
                reason,
            }]
        };
        let text =
            std::str::from_utf8(value).map_err(|_| not_json("it is not UTF-8 text".to_owned()))?;
        let json: Rcvar = serde_json::from_str::<Variable>(text)
            .map(Rcvar::new)
            .map_err(|error| {
                not_json(format!(
                    "stopped at line {} column {}",
                    error.line(),
                    error.column()
                ))
            })?;
        let mut contents = vec![whole];
        let mut errors = Vec::new();
        for extract in &self.extracts {
            match extract.value(&json, text) {
                Ok(bytes) => contents.push(FileContents {
                    file: extract.file.clone(),
                    bytes,
                }),
                Err(reason) => errors.push(ExtractError::Path {
                    object: self.index,
                    item: extract.index,
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

impl Extract {
    fn value(&self, json: &Rcvar, text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let found = self
            .path
            .search(json)
            .map_err(|reason| format!("fails: {reason}"))?;
        let written = match found.as_ref() {
            Variable::String(string) => string.clone(),
            Variable::Bool(boolean) => boolean.to_string(),
            Variable::Number(number) => number::text(number, text)
                .ok_or("gives a number that cannot be told apart from another one of this secret: store it as a string")?,
            Variable::Null => return Err(format!("finds nothing{}", nothing_hint(&self.path, json))),
            Variable::Array(_) => return Err("gives a list: choose one item, such as with [0]".to_owned()),
            Variable::Object(_) => return Err("gives an object: choose one key of it".to_owned()),
            Variable::Expref(_) => return Err("gives an expression, not a value".to_owned()),
        };
        Ok(Zeroizing::new(written.into_bytes()))
    }
}

/// What to do about a path that finds nothing; the quoted form is offered only where it finds something.
fn nothing_hint(path: &JmesPath, json: &Rcvar) -> String {
    let works = |quoted: &JmesPath| quoted.search(json).is_ok_and(|found| !found.is_null());
    match path.quoted().into_iter().find(works) {
        Some(quoted) => jmes_path::hint(Some(quoted.as_str())),
        None => ": the key is missing or null; correct the path, or the secret".to_owned(),
    }
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
        let spec = SecretProviderClassSpec {
            parameters: [("objects".into(), objects.to_string())].into(),
            ..Default::default()
        };
        Class::parse("test", &spec, Some(&"us-east-2".parse().unwrap()))
            .unwrap()
            .class
            .objects
            .remove(0)
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
                    "objects[0].jmesPath[0]: path {path:?} for the file \"file0\" {reason}"
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
                error.starts_with("objects[0].jmesPath: the value is not JSON")
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
