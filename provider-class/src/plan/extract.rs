//! From a fetched value to the contents of files.

mod error;

use std::fmt;

use jmespath::{Rcvar, Variable};
use zeroize::Zeroizing;

use super::json::{Numbers, member, members};
use crate::words::{jmes_path, name};
use crate::{Encoding, Extract, Field, File, JmesPath, Object, Output, Request};
use error::MAX_KEYS;

pub use error::ExtractError;

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

/// A file that a fetch made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFile {
    /// What it was made of, for messages.
    pub field: Field,
    /// Is its name known only since the fetch?
    pub is_new: bool,
    /// The file.
    pub contents: FileContents,
}

impl MadeFile {
    /// Its path below the mount.
    pub fn path(&self) -> &str {
        self.contents.file.path.as_str()
    }
}

/// What a value became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The files.
    pub files: Vec<MadeFile>,
    /// What was left out although nobody asked for that, a line each.
    pub warnings: Vec<String>,
    /// Optional files that are missing, a line each.
    pub missing: Vec<String>,
}

const KEY_REMEDY: &str = "rename the key, or list the keys with jmesPath";

impl Object {
    /// The files of a value: the whole value, its parts, and its keys.
    pub fn contents(&self, value: &[u8]) -> Result<Made, Vec<ExtractError>> {
        let of_value = OfValue {
            object: self,
            name: &self.name,
            parameter: "",
        };
        of_value.made(value)
    }

    /// The same for the value of a parameter below the object's path, with the parameter's name below it.
    pub fn contents_of(&self, parameter: &str, value: &[u8]) -> Result<Made, Vec<ExtractError>> {
        let name = match &self.request {
            Request::Path(request) => request.name_of(parameter),
            Request::Secret(_) | Request::Parameter(_) => self.name.clone(),
        };
        let of_value = OfValue {
            object: self,
            name: &name::cut(&name),
            parameter,
        };
        of_value.made(value)
    }
}

/// What an object makes of one value.
struct OfValue<'a> {
    object: &'a Object,
    /// The object's or parameter's name, for messages.
    name: &'a str,
    /// The name of the parameter below the object's path.
    parameter: &'a str,
}

impl OfValue<'_> {
    fn made(&self, value: &[u8]) -> Result<Made, Vec<ExtractError>> {
        let object = self.object;
        let bytes = self
            .decode(object.encoding, "objectEncoding", value)
            .map_err(|error| vec![*error])?;
        let mut made = Made::default();
        let mut errors = Vec::new();
        if !object.extracts.is_empty() || object.keys.is_some() {
            match parse(&bytes) {
                Ok((text, json)) => {
                    errors.extend(self.parts(text, &json, &mut made));
                    errors.extend(self.keys(text, &mut made).err().map(|error| *error));
                }
                Err(reason) => {
                    let field = if object.extracts.is_empty() {
                        "jsonKeys"
                    } else {
                        "jmesPath"
                    };
                    let field = self.field(field);
                    errors.push(ExtractError::NotJson { field, reason });
                }
            }
        }
        if let Some(whole) = &object.whole {
            match self.file(whole, "") {
                Ok(file) => made.files.insert(0, self.file_of(whole, "", file, bytes)),
                Err(error) => errors.push(*error),
            }
        }
        if errors.is_empty() {
            Ok(made)
        } else {
            Err(errors)
        }
    }

    /// The items of `jmesPath`. Returns what is wrong with them.
    fn parts(&self, text: &str, json: &Rcvar, made: &mut Made) -> Vec<ExtractError> {
        let mut errors = Vec::new();
        if self.object.extracts.is_empty() {
            return errors;
        }
        let numbers = Numbers::of(text);
        for extract in &self.object.extracts {
            let item = format!("jmesPath[{}]", extract.index);
            let file = match self.file(&extract.output, &item) {
                Ok(file) => file,
                Err(error) => {
                    errors.push(*error);
                    continue;
                }
            };
            let path_error = |reason: String| ExtractError::Path {
                field: self.field(&item),
                path: extract.path.to_string(),
                alias: file.path.to_string(),
                reason,
            };
            match extract.value(text, json, &numbers) {
                Ok(Some(value)) => {
                    match self.decode(extract.encoding, &format!("{item}.objectEncoding"), &value) {
                        Ok(bytes) => {
                            made.files
                                .push(self.file_of(&extract.output, &item, file, bytes));
                        }
                        Err(error) => errors.push(*error),
                    }
                }
                Ok(None) if extract.is_optional => made.missing.push(format!(
                    "{}: path {:?} finds nothing; the optional file {:?} is missing",
                    self.field(&item),
                    extract.path.as_str(),
                    file.path.as_str()
                )),
                Ok(None) => {
                    let hint = nothing_hint(&extract.path, json);
                    errors.push(path_error(format!("finds nothing{hint}")));
                }
                Err(reason) => errors.push(path_error(reason)),
            }
        }
        errors
    }

    /// All keys of the object (`jsonKeys`).
    fn keys(&self, text: &str, made: &mut Made) -> Result<(), Box<ExtractError>> {
        let Some(open) = &self.object.keys else {
            return Ok(());
        };
        let field = || self.field("jsonKeys");
        let Some(members) = members(text) else {
            return Err(Box::new(ExtractError::NoKeys { field: field() }));
        };
        if members.len() > MAX_KEYS {
            let count = members.len();
            let field = field();
            return Err(Box::new(ExtractError::TooManyKeys { field, count }));
        }
        for (key, value) in members {
            let field = self.field(&format!("jsonKeys[{:?}]", name::cut(&key)));
            let bytes = match serde_json::from_str::<Option<String>>(value) {
                Ok(Some(string)) => string.into_bytes(),
                Ok(None) => {
                    made.warnings
                        .push(format!("{field}: is null and becomes no file"));
                    continue;
                }
                Err(_) => value.as_bytes().to_vec(),
            };
            let bytes = Zeroizing::new(bytes);
            let file = open.file(self.parameter, &key);
            let file = file.map_err(|reason| {
                let (field, remedy) = (field.clone(), KEY_REMEDY);
                Box::new(ExtractError::Name {
                    field,
                    reason,
                    remedy,
                })
            })?;
            made.files.push(MadeFile {
                field,
                is_new: true,
                contents: FileContents { file, bytes },
            });
        }
        Ok(())
    }

    fn decode(
        &self,
        encoding: Encoding,
        field: &str,
        value: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Box<ExtractError>> {
        encoding.decode(value).map_err(|reason| {
            Box::new(ExtractError::Encoding {
                field: self.field(field),
                encoding: encoding.as_str(),
                reason,
            })
        })
    }

    fn file(&self, output: &Output, field: &str) -> Result<File, Box<ExtractError>> {
        output.file_of(self.parameter).map_err(|reason| {
            Box::new(ExtractError::Name {
                field: self.field(field),
                reason,
                remedy: "rename the parameter, or use a longer path",
            })
        })
    }

    fn file_of(
        &self,
        output: &Output,
        field: &str,
        file: File,
        bytes: Zeroizing<Vec<u8>>,
    ) -> MadeFile {
        MadeFile {
            field: self.field(field),
            is_new: output.file().is_none(),
            contents: FileContents { file, bytes },
        }
    }

    /// A field of the object, with the parameter's name where the object is a path.
    fn field(&self, path: &str) -> Field {
        Field {
            object: Some(self.name.to_owned()),
            ..self.object.field(path)
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
    /// The part of a value; nothing if the path finds nothing.
    fn value(
        &self,
        text: &str,
        json: &Rcvar,
        numbers: &Numbers,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let found = self
            .path
            .search(json)
            .map_err(|reason| format!("fails: {reason}"))?;
        let written = match found.as_ref() {
            Variable::String(string) => string.clone(),
            Variable::Bool(boolean) => boolean.to_string(),
            Variable::Number(number) => numbers
                .text(number)
                .or_else(|| self.number_at(text, number))
                .ok_or("gives a number that cannot be distinguished from another one in this secret: store it as a string")?,
            Variable::Null => return Ok(None),
            Variable::Array(_) => return Err("gives a list: select one item, for example with [0]".to_owned()),
            Variable::Object(_) => return Err("gives an object: select one of its keys".to_owned()),
            Variable::Expref(_) => return Err("gives an expression, not a value".to_owned()),
        };
        Ok(Some(Zeroizing::new(written.into_bytes())))
    }

    /// The text of a number, if the path leads to it by keys alone.
    fn number_at(&self, text: &str, number: &serde_json::Number) -> Option<String> {
        let found = member(text, &self.path.keys()?)?;
        let is_it = serde_json::from_str::<serde_json::Number>(found).ok()? == *number;
        is_it.then(|| found.to_owned())
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
mod tests;
