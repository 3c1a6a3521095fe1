//! JSON patch operations, one after the other.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, MoveOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;

/// Bytes of paths and values that a patch may have. A pod that grows by more cannot be stored: etcd takes 1.5 MiB (its
/// `--max-request-bytes`). Small annotations can ask for far more, as a patch has an operation for each directory in each
/// container.
pub(super) const MOST: usize = 1024 * 1024;

/// The operations so far.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) operations: Vec<PatchOperation>,
    bytes: usize,
}

/// Every path here is written in this module, and starts with a slash: it parses.
fn pointer(path: &str) -> PointerBuf {
    PointerBuf::parse(path).unwrap_or_default()
}

impl Changes {
    /// Are there more bytes than a patch may have? They are counted before JSON escapes them.
    pub(super) fn are_too_large(&self) -> bool {
        self.bytes > MOST
    }

    /// Adds an element to a list, or sets a field.
    pub(super) fn add(&mut self, path: &str, value: Value) {
        self.bytes += path.len() + bytes(&value);
        self.operations.push(PatchOperation::Add(AddOperation {
            path: pointer(path),
            value,
        }));
    }

    /// Replaces what is there.
    pub(super) fn replace(&mut self, path: &str, value: Value) {
        self.bytes += path.len() + bytes(&value);
        self.operations
            .push(PatchOperation::Replace(ReplaceOperation {
                path: pointer(path),
                value,
            }));
    }

    /// Removes what is there.
    pub(super) fn remove(&mut self, path: &str) {
        self.operations
            .push(PatchOperation::Remove(RemoveOperation {
                path: pointer(path),
            }));
    }

    /// Moves an element of a list.
    pub(super) fn shift(&mut self, from: &str, to: &str) {
        self.operations.push(PatchOperation::Move(MoveOperation {
            from: pointer(from),
            path: pointer(to),
        }));
    }

    /// Appends to a list, which has to be made where it is empty: the API server leaves out empty lists.
    pub(super) fn append(&mut self, list: &str, is_empty: &mut bool, value: Value) {
        if std::mem::take(is_empty) {
            self.add(list, Value::Array(vec![value]));
        } else {
            self.add(&format!("{list}/-"), value);
        }
    }
}

/// Bytes of the names and texts of a value, and one for everything else.
fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(bytes).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| name.len() + bytes(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}
