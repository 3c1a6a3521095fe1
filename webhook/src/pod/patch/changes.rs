//! JSON patch operations, one after the other.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation};
use serde::Serialize;
use serde_json::{Value, json};

use crate::pod::conflict::{Conflict, MOST_BYTES};
use crate::pod::view::Slot;

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
    /// Checks that there are no more bytes than a patch may have. They are counted before JSON escapes them.
    pub(super) fn check_size(&self) -> Result<(), Conflict> {
        if self.bytes > MOST_BYTES {
            return Err(Conflict::TooLarge);
        }
        Ok(())
    }

    /// Adds an element to a list, or sets a field.
    pub(super) fn add(&mut self, path: &str, value: Value) {
        self.bytes += path.len() + bytes(&value);
        self.operations.push(PatchOperation::Add(AddOperation {
            path: pointer(path),
            value,
        }));
    }

    /// Is there an operation that adds this?
    pub(super) fn have_added(&self, path: &str) -> bool {
        let path = pointer(path);
        let mut operations = self.operations.iter();
        operations
            .any(|operation| matches!(operation, PatchOperation::Add(add) if add.path == path))
    }

    /// Removes what is there.
    pub(super) fn remove(&mut self, path: &str) {
        self.operations
            .push(PatchOperation::Remove(RemoveOperation {
                path: pointer(path),
            }));
    }

    /// Makes a list what it should be. The author's elements keep their order and are not touched, and one of ours stays where it
    /// is in its place already.
    pub(super) fn put_list<'a, T: Serialize + 'a>(
        &mut self,
        path: &str,
        present: &[T],
        wanted: impl IntoIterator<Item = Slot<&'a T>>,
        is_same: impl Fn(&T, &T) -> bool,
    ) {
        let mut removed = Vec::new();
        let mut added = Vec::new();
        let mut next = 0;
        for (position, slot) in wanted.into_iter().enumerate() {
            match slot {
                Slot::Own(index) => {
                    removed.extend(next..index);
                    next = index + 1;
                }
                Slot::Injected(ours)
                    if present.get(next).is_some_and(|other| is_same(other, ours)) =>
                {
                    next += 1;
                }
                Slot::Injected(ours) => added.push((position, ours)),
            }
        }
        removed.extend(next..present.len());
        for index in removed.iter().rev() {
            self.remove(&format!("{path}/{index}"));
        }
        // The API server leaves out empty lists.
        if present.is_empty() && !added.is_empty() {
            let all: Vec<&T> = added.into_iter().map(|(_, ours)| ours).collect();
            return self.add(path, json!(all));
        }
        for (position, ours) in added {
            self.add(&format!("{path}/{position}"), json!(ours));
        }
    }
}

/// A list with the planned elements: each stays where one of its key is already. The others stay if `is_kept` says so, which is told
/// the planned one of their key.
pub(super) fn merged<'a, T>(
    present: &[T],
    planned: &[&'a T],
    key: impl Fn(&T) -> &str,
    is_kept: impl Fn(&T, Option<&T>) -> Result<bool, Conflict>,
) -> Result<Vec<Slot<&'a T>>, Conflict> {
    let keys = planned.iter().map(|planned| (key(planned), *planned));
    let mut missing: BTreeMap<&str, &T> = keys.collect();
    let mut slots = Vec::with_capacity(present.len() + planned.len());
    for (index, element) in present.iter().enumerate() {
        let planned = missing.get(key(element)).copied();
        if is_kept(element, planned)? {
            missing.remove(key(element));
            slots.push(planned.map_or(Slot::Own(index), Slot::Injected));
        }
    }
    let missing = planned
        .iter()
        .filter(|planned| missing.contains_key(key(planned)));
    slots.extend(missing.copied().map(Slot::Injected));
    Ok(slots)
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
