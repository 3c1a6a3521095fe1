//! Kernel settings that nodes have and this machine may lack: systemd sets them in `sysctl.d/50-default.conf`. They apply to
//! the whole machine, not to a namespace, so clusters on this machine set them while they run.
//!
//! The previous values are recorded before any change, together with the processes that need the settings. When none of
//! these is alive, the previous values are restored: by the last cluster or, if it was killed, by the next one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::process::Process;
use crate::progress::line;

/// The settings and their values on nodes.
///
/// Source: <https://github.com/systemd/systemd/blob/main/sysctl.d/50-default.conf>.
pub const NODE_SETTINGS: [(&str, &str); 4] = [
    ("fs/protected_symlinks", "1"),
    ("fs/protected_hardlinks", "1"),
    ("fs/protected_regular", "2"),
    ("fs/protected_fifos", "1"),
];

/// Settings that every kubelet changes for the whole machine. They are restored, too.
const OF_KUBELET: [&str; 6] = [
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];

/// The kernel's folder of all settings.
pub const FOLDER: &str = "/proc/sys";
/// One per machine. It is gone after a reboot, like the settings.
const RECORD: &str = "/run/aws-secrets-e2e-settings.json";
/// Protects the record.
const LOCK: &str = "/run/aws-secrets-e2e-settings.lock";

/// The previous values, and the processes that need others.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Record {
    found: BTreeMap<String, String>,
    holders: Vec<Process>,
}

/// Sets the values of nodes until a process has exited.
pub(crate) fn raise(holder: &Process) -> anyhow::Result<()> {
    let _lock = lock()?;
    let mut record = load()?.unwrap_or_default();
    let mut changed = Vec::new();
    for (name, value) in NODE_SETTINGS {
        let found = record.found.entry(name.to_owned()).or_insert(read(name)?);
        if found != value {
            changed.push(format!("{}={found}", name.replace('/', ".")));
        }
    }
    for name in OF_KUBELET {
        // Some kernels lack one.
        if let Ok(found) = read(name) {
            record.found.entry(name.to_owned()).or_insert(found);
        }
    }
    record.holders.retain(Process::is_alive);
    record.holders.push(holder.clone());
    fs::write(RECORD, serde_json::to_vec(&record)?).context(RECORD)?;
    for (name, value) in NODE_SETTINGS {
        set(name, value)?;
    }
    if !changed.is_empty() {
        line(&format!(
            "    setting fs.protected_* to the values of nodes while the cluster runs; restoring afterwards: {}",
            changed.join(" ")
        ));
    }
    Ok(())
}

/// Restores the recorded values, unless a process that needs the settings is alive.
pub(crate) fn release() -> anyhow::Result<()> {
    if !Path::new(RECORD).exists() {
        return Ok(());
    }
    let _lock = lock()?;
    let Some(record) = load()? else {
        return Ok(());
    };
    if record.holders.iter().any(Process::is_alive) {
        return Ok(());
    }
    for (name, value) in &record.found {
        set(name, value)?;
    }
    fs::remove_file(RECORD).context(RECORD)
}

fn lock() -> anyhow::Result<File> {
    let lock = File::create(LOCK).context(LOCK)?;
    lock.lock().context(LOCK)?;
    Ok(lock)
}

fn load() -> anyhow::Result<Option<Record>> {
    match fs::read(RECORD) {
        Ok(json) => serde_json::from_slice(&json).map(Some).context(RECORD),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(RECORD),
    }
}

fn read(name: &str) -> anyhow::Result<String> {
    let file = Path::new(FOLDER).join(name);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    Ok(text.trim().to_owned())
}

fn set(name: &str, value: &str) -> anyhow::Result<()> {
    if read(name)? == value {
        return Ok(());
    }
    if let Err(error) = fs::write(Path::new(FOLDER).join(name), value) {
        let name = name.replace('/', ".");
        bail!("could not set {name} to {value} ({error}); run: sudo sysctl -w {name}={value}");
    }
    Ok(())
}
