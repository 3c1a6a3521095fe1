//! JSON patch operations, one after the other.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, MoveOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;

/// The operations so far.
#[derive(Default)]
pub(super) struct Changes(pub(super) Vec<PatchOperation>);

/// Every path here is written in this module, and starts with a slash: it parses.
fn pointer(path: &str) -> PointerBuf {
    PointerBuf::parse(path).unwrap_or_default()
}

impl Changes {
    /// Adds an element to a list, or sets a field.
    pub(super) fn add(&mut self, path: &str, value: Value) {
        self.0.push(PatchOperation::Add(AddOperation {
            path: pointer(path),
            value,
        }));
    }

    /// Replaces what is there.
    pub(super) fn replace(&mut self, path: &str, value: Value) {
        self.0.push(PatchOperation::Replace(ReplaceOperation {
            path: pointer(path),
            value,
        }));
    }

    /// Removes what is there.
    pub(super) fn remove(&mut self, path: &str) {
        self.0.push(PatchOperation::Remove(RemoveOperation {
            path: pointer(path),
        }));
    }

    /// Moves an element of a list.
    pub(super) fn shift(&mut self, from: &str, to: &str) {
        self.0.push(PatchOperation::Move(MoveOperation {
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
