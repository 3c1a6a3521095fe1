//! How much of its classes a pod can carry: they travel as JSON in one environment variable of the injector.

use std::collections::BTreeMap;
use std::io::{self, Write};

use provider_class::{Class, SecretObject};

/// Bytes that the variable may have: Linux starts no program with a longer one (`MAX_ARG_STRLEN`, 128 KiB with the
/// variable's name).
pub(crate) const MOST: usize = 127 * 1024;

/// What stands around a class's name, path and parameters.
const FRAME: usize = r#"{"name":,"mountPath":,"parameters":},"#.len();

/// What stands before its Kubernetes Secrets.
const SECRETS: &str = r#","secretObjects":"#;

/// Bytes that a class takes in the variable. JSON has two for each newline and quote of its text.
pub(crate) fn bytes(name: &str, mount_path: &str, parameters: &BTreeMap<String, String>) -> usize {
    let mut counter = Counter(FRAME);
    // Counting does not fail, and strings can always be written.
    let _ = serde_json::to_writer(&mut counter, name);
    let _ = serde_json::to_writer(&mut counter, mount_path);
    let _ = serde_json::to_writer(&mut counter, parameters);
    counter.0
}

/// Bytes that a class's Kubernetes Secrets take in it.
pub(crate) fn of_secrets(class: &Class) -> usize {
    let entries: Vec<_> = class
        .secret_objects
        .iter()
        .map(SecretObject::to_entry)
        .collect();
    if entries.is_empty() {
        return 0;
    }
    let mut counter = Counter(SECRETS.len());
    let _ = serde_json::to_writer(&mut counter, &entries);
    counter.0
}

/// Counts what is written.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use provider_class::{Snapshot, SnapshotClass};

    use super::*;

    #[test]
    fn it_is_what_the_variable_really_takes() {
        let parameters: BTreeMap<_, _> =
            [("objects".to_owned(), "- a: \"\n\té\"\n".repeat(9))].into();
        let class = SnapshotClass {
            name: "db".to_owned(),
            mount_path: r#"/d"b\"#.to_owned(),
            parameters: parameters.clone(),
            secret_objects: Vec::new(),
        };
        let json = Snapshot {
            classes: vec![class.clone(), class],
        }
        .to_json();
        let counted = 2 * bytes("db", r#"/d"b\"#, &parameters);
        // The brackets of the list, and no comma behind the last.
        assert_eq!(json.len(), counted + 2 - 1);
        let mut spec = provider_class::SecretProviderClassSpec::aws([(
            "objects",
            "- {objectName: a, objectType: ssmparameter}",
        )]);
        spec.secret_objects = vec![serde_json::json!({
            "secretName": "x", "type": "Opaque", "data": [{"objectName": "a", "key": "a"}],
        })];
        let parsed = Class::parse("db", &spec).unwrap();
        let mut class = SnapshotClass {
            name: "db".to_owned(),
            mount_path: "/db".to_owned(),
            parameters,
            secret_objects: Vec::new(),
        };
        let length = |class: &SnapshotClass| {
            let classes = vec![class.clone()];
            Snapshot { classes }.to_json().len()
        };
        let without = length(&class);
        class.secret_objects = parsed
            .secret_objects
            .iter()
            .map(SecretObject::to_entry)
            .collect();
        assert_eq!(length(&class), without + of_secrets(&parsed));
    }
}
