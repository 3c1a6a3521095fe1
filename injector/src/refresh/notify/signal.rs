//! Signals the first process of a container, in a pod whose containers share one process namespace.
//!
//! The kernel and the kubelet identify the process. The parent of each container's first process is outside the namespace,
//! so its `PPid` is 0. And the kubelet mounts a termination message file from `…/pods/<uid>/containers/<name>/<id>`.

use std::fs;
use std::io;
use std::path::Path;

use provider_class::on_refresh::Signal;
use rustix::process::{Pid, kill_process};

/// Why no signal was sent.
#[derive(Debug, thiserror::Error)]
pub(in crate::refresh) enum SignalError {
    /// `/proc` cannot be read.
    #[error("could not list processes: {0}")]
    List(io::Error),
    /// No process belongs to the container.
    #[error(
        "no process of container {0:?} is visible: the pod needs shareProcessNamespace: true, and the container must be running"
    )]
    NotFound(String),
    /// Some processes may belong to it, but this user may not inspect them.
    #[error(
        "no process of container {0:?} is visible, and {1} processes belong to other users: run this container as the app's user (annotation aws-secrets-injector.io/run-as-user)"
    )]
    OtherUsers(String, usize),
    /// The kernel refused.
    #[error("could not send {signal} to process {process} of container {container:?}: {error}{}", hint(.error))]
    Send {
        /// The signal.
        signal: Signal,
        /// The process.
        process: i32,
        /// Its container.
        container: String,
        /// The kernel's error.
        error: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; run this container as the app's user (annotation aws-secrets-injector.io/run-as-user)"
        }
        _ => "",
    }
}

/// The oldest process of the container that was started from outside it: `kubectl exec` starts such processes, too.
pub(super) fn first_process(proc: &Path, container: &str) -> Result<i32, SignalError> {
    let mut found: Option<(u64, i32)> = None;
    let mut denied = 0;
    for entry in fs::read_dir(proc).map_err(SignalError::List)?.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // A process may end at any time.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((0, started)) = parent_and_start(&stat) else {
            continue;
        };
        match fs::read_to_string(entry.path().join("mountinfo")) {
            Ok(mounts) if mounts.lines().any(|mount| is_of(mount, container)) => {
                let this = (started, process);
                found = Some(found.map_or(this, |other| other.min(this)));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied += 1,
            _ => {}
        }
    }
    match found {
        Some((_, process)) => Ok(process),
        None if denied > 0 => Err(SignalError::OtherUsers(container.to_owned(), denied)),
        None => Err(SignalError::NotFound(container.to_owned())),
    }
}

/// Fields 4 and 22 of `/proc/PID/stat`; the second field is the program's name in parentheses, with any characters.
///
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
fn parent_and_start(stat: &str) -> Option<(i32, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some((parent, started))
}

/// Is the root of this mount (the fourth field) in the container's own directory of the pod?
///
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>.
fn is_of(mount: &str, container: &str) -> bool {
    let root = mount.split(' ').nth(3).unwrap_or_default();
    let parts: Vec<&str> = root.rsplit('/').take(5).collect();
    matches!(parts[..], [_, name, "containers", _, "pods"] if name == container)
}

/// Sends the signal.
pub(super) fn send(process: i32, signal: Signal, container: &str) -> Result<(), SignalError> {
    let fail = |error| SignalError::Send {
        signal,
        process,
        container: container.to_owned(),
        error,
    };
    // From a directory's name in /proc, so never 0 or below.
    let pid = Pid::from_raw(process).ok_or_else(|| fail(io::ErrorKind::InvalidInput.into()))?;
    kill_process(pid, number(signal)).map_err(|error| fail(error.into()))
}

fn number(signal: Signal) -> rustix::process::Signal {
    use rustix::process::Signal as Number;
    match signal {
        Signal::Hup => Number::HUP,
        Signal::Int => Number::INT,
        Signal::Quit => Number::QUIT,
        Signal::Usr1 => Number::USR1,
        Signal::Usr2 => Number::USR2,
        Signal::Alrm => Number::ALARM,
        Signal::Term => Number::TERM,
        Signal::Cont => Number::CONT,
        Signal::Winch => Number::WINCH,
        Signal::Kill => Number::KILL,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use tempfile::TempDir;

    fn process(proc: &Path, id: i32, name: &str, parent: i32, started: u64, root: &str) {
        let folder = proc.join(id.to_string());
        fs::create_dir(&folder).unwrap();
        let zeros = "0 ".repeat(17);
        fs::write(
            folder.join("stat"),
            format!("{id} ({name}) S {parent} {zeros}{started} 0\n"),
        )
        .unwrap();
        let mounts = format!(
            "1 0 0:1 / / rw - overlay overlay rw\n2 1 8:1 {root} /dev/termination-log rw - ext4 /dev/sda1 rw\n"
        );
        fs::write(folder.join("mountinfo"), mounts).unwrap();
    }

    const WEB: &str = "/var/lib/kubelet/pods/0a1b/containers/web/77f0";

    #[test]
    fn the_first_process_of_the_container_is_found_among_all() {
        let proc = TempDir::new().unwrap();
        let proc = proc.path();
        fs::create_dir(proc.join("sys")).unwrap();
        process(proc, 1, "pause", 0, 1, "/");
        process(proc, 7, "web (x) S 5", 0, 70, WEB);
        process(proc, 8, "worker", 7, 80, WEB);
        process(proc, 3, "sh", 0, 90, WEB);
        process(
            proc,
            9,
            "web-2",
            0,
            10,
            "/kubelet/pods/0a1b/containers/web-2/1c",
        );
        process(
            proc,
            10,
            "path",
            0,
            10,
            "/pods/0a1b/volume-subpaths/containers/web/0",
        );
        assert_eq!(first_process(proc, "web").unwrap(), 7);
        assert_eq!(first_process(proc, "web-2").unwrap(), 9);
    }

    #[test]
    fn a_container_that_is_not_there_is_an_error_with_the_setting() {
        let proc = TempDir::new().unwrap();
        process(proc.path(), 1, "pause", 0, 1, "/");
        let error = first_process(proc.path(), "web").unwrap_err().to_string();
        assert!(error.contains("shareProcessNamespace"), "{error}");
    }

    #[test]
    fn a_signal_reaches_a_process_and_a_missing_one_is_an_error() {
        let mut child = std::process::Command::new("sleep")
            .arg("100")
            .spawn()
            .unwrap();
        let id = i32::try_from(child.id()).unwrap();
        send(id, Signal::Usr1, "web").unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(number(Signal::Usr1).as_raw()));
        let error = send(id, Signal::Usr1, "web").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!(
                "could not send SIGUSR1 to process {id} of container \"web\""
            )),
            "{error}"
        );
    }
}
