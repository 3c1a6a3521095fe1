//! Which version of each object the files hold, as text: for the container's termination message and the sidecar's log. It
//! has names and version ids, and no values.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use provider_class::printable::printable;
use provider_class::{PlannedRequest, Region, Request};

use crate::classes::ClassToFetch;
use crate::versions::Versions;

/// Bytes that the kubelet reads of a termination message.
///
/// Source: <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>.
const LONGEST: usize = 4096;
/// The longest name of an object is an ARN.
const OBJECT: usize = 2048;
/// The longest version id.
const VERSION: usize = 64;
/// The longest list of a path's parameters with their versions.
const VERSIONS: usize = 1024;
/// Room for the line that counts what was left out.
const REST: usize = 32;

/// A line for each object of all classes whose version is known.
pub fn lines(wanted: &[ClassToFetch], versions: &Versions) -> Vec<String> {
    let mut lines = Vec::new();
    for wanted in wanted {
        let Some(versions) = versions.of(wanted) else {
            continue;
        };
        for planned in &wanted.plan.requests {
            if let Some(version) = versions.get(&planned.key())
                && let Some(id) = &version.id
            {
                lines.push(line(wanted, planned, id, &version.region));
            }
        }
    }
    lines
}

/// `secretsmanager shop/db 8f3c…`, with the region where the second one answered.
fn line(wanted: &ClassToFetch, planned: &PlannedRequest, id: &str, region: &Region) -> String {
    let service = match planned.request {
        Request::Secret(_) => "secretsmanager",
        Request::Parameter(_) | Request::Path(_) => "ssm",
    };
    let longest = match planned.request {
        Request::Path(_) => VERSIONS,
        Request::Secret(_) | Request::Parameter(_) => VERSION,
    };
    let object = planned.request.to_string();
    let object = printable(&object, OBJECT);
    let id = printable(id, longest);
    if *region == wanted.plan.region {
        format!("{service} {object} {id}")
    } else {
        format!("{service} {object} {id} in {region}")
    }
}

/// The lines that fit into a termination message, and how many do not.
pub fn message(lines: &[String]) -> String {
    let whole: usize = lines.iter().map(|line| line.len() + 1).sum();
    let room = if whole <= LONGEST {
        LONGEST
    } else {
        LONGEST - REST
    };
    let mut message = String::new();
    for (index, line) in lines.iter().enumerate() {
        if message.len() + line.len() + 1 > room {
            let _ = writeln!(message, "and {} more", lines.len() - index);
            break;
        }
        message += line;
        message.push('\n');
    }
    message
}

/// Writes the message where the kubelet reads it. The file exists: the kubelet makes it for each container.
///
/// # Errors
/// There is no such file, or it cannot be written.
pub fn write(path: &Path, lines: &[String]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(message(lines).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(count: usize, length: usize) -> Vec<String> {
        (0..count)
            .map(|index| format!("{index:0length$}"))
            .collect()
    }

    #[test]
    fn a_message_is_never_longer_than_the_kubelet_reads_and_counts_the_rest() {
        for (count, length) in [
            (1, 10),
            (64, 63),
            (65, 63),
            (1000, 60),
            (3, 4095),
            (1, 5000),
        ] {
            let lines = lines_of(count, length);
            let message = message(&lines);
            assert!(message.len() <= LONGEST, "{count} lines of {length}");
            let shown = message
                .lines()
                .filter(|line| !line.starts_with("and "))
                .count();
            if shown < count {
                assert!(
                    message.ends_with(&format!("and {} more\n", count - shown)),
                    "{message}"
                );
            }
        }
    }

    #[test]
    fn what_fits_to_the_byte_is_shown_whole() {
        assert_eq!(message(&lines_of(64, 63)).lines().count(), 64);
        assert!(message(&lines_of(65, 63)).ends_with(" more\n"));
    }
}
