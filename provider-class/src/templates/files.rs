//! The variable `files`: a mapping of names to contents.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, Value};

/// Contents by name. It notes the name that was looked up in vain.
pub(crate) struct Files {
    contents: BTreeMap<String, Value>,
    /// Stands for the content of every other file.
    other: Option<Value>,
    missing: Mutex<Option<String>>,
}

impl Files {
    /// The files of a fetch. Text is text, and everything else bytes.
    pub(crate) fn of<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let contents = files.map(|(name, bytes)| {
            let value = match std::str::from_utf8(bytes) {
                Ok(text) => Value::from(text),
                Err(_) => Value::from(bytes),
            };
            (name.to_owned(), value)
        });
        Self {
            contents: contents.collect(),
            other: None,
            missing: Mutex::default(),
        }
    }

    /// Files of these names and of any other, all with the same content.
    pub(crate) fn examples<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let value = Value::from("x");
        Self {
            contents: names.map(|name| (name.to_owned(), value.clone())).collect(),
            other: Some(value),
            missing: Mutex::default(),
        }
    }

    /// The name that was looked up last and that no file has.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing = self.missing.lock();
        missing.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Without contents.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files")
    }
}

impl Object for Files {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let found = self.contents.get(name).or(self.other.as_ref()).cloned();
        if found.is_none() {
            let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
            *missing = Some(name.to_owned());
        }
        found
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.contents.keys().map(Value::from).collect())
    }
}
