//! How much of its classes a pod can carry: they travel as JSON in one environment variable of the injector.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// Bytes that the variable may have: Linux starts no program with a longer one (`MAX_ARG_STRLEN`, 128 KiB with the
/// variable's name).
pub(crate) const MOST: usize = 127 * 1024;

/// What stands around a class's name, path and parameters.
const FRAME: usize = r#"{"name":"","mountPath":"","parameters":},"#.len();

/// Bytes that a class takes in the variable. JSON has two for each newline and quote of its text.
pub(crate) fn bytes(name: &str, mount_path: &str, parameters: &BTreeMap<String, String>) -> usize {
    let mut counter = Counter(FRAME + name.len() + mount_path.len());
    // Counting does not fail, and strings can always be written.
    let _ = serde_json::to_writer(&mut counter, parameters);
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
            mount_path: "/db".to_owned(),
            parameters: parameters.clone(),
        };
        let json = Snapshot {
            classes: vec![class.clone(), class],
        }
        .to_json();
        let counted = 2 * bytes("db", "/db", &parameters);
        // The brackets of the list, and no comma behind the last.
        assert_eq!(json.len(), counted + 2 - 1);
    }
}
