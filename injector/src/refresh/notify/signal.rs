//! A signal to the first process of a container.

use std::path::Path;

use provider_class::refresh::Signal as Wanted;
use rustix::process::{Pid, Signal, kill_process};

use super::processes;

pub(super) fn send(proc_folder: &Path, signal: Wanted, container: &str) -> Result<(), String> {
    let id = processes::first_of(proc_folder, container)?;
    let process = Pid::from_raw(id).ok_or_else(|| format!("{id} is not a process"))?;
    let sent = kill_process(process, native(signal));
    sent.map_err(|error| match error {
        rustix::io::Errno::PERM => format!(
            "{signal} to container {container:?}: not permitted: it runs as another user; give the injector its user with the annotation aws-secrets-injector.io/run-as-user"
        ),
        error => format!("{signal} to container {container:?}: {error}"),
    })
}

fn native(signal: Wanted) -> Signal {
    match signal {
        Wanted::Hup => Signal::HUP,
        Wanted::Usr1 => Signal::USR1,
        Wanted::Usr2 => Signal::USR2,
        Wanted::Term => Signal::TERM,
        Wanted::Int => Signal::INT,
        Wanted::Quit => Signal::QUIT,
        Wanted::Winch => Signal::WINCH,
    }
}
