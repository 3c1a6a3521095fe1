//! Required programs. They are installed if possible; otherwise an error shows the command that installs them.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::bail;

use crate::command::{find, run};
use crate::progress::step;

/// A program or file, and the Debian package that provides it.
const NEEDED: [(&str, &str); 7] = [
    ("buildah", "buildah"),
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("busybox", "busybox-static"),
    ("mmdebstrap", "mmdebstrap"),
];

/// One thread installs, the others wait.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Ensures that all programs for a separate engine and for building a node image are installed.
pub fn for_own_engine() -> anyhow::Result<()> {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if find("apt-get").is_none() || !is_root() {
        bail!(
            "missing programs; install them with: sudo apt-get update && sudo apt-get install -y --no-install-recommends {packages}"
        );
    }
    step(&format!("installing packages: {packages}"), || {
        run(apt().arg("update"))?;
        run(apt()
            .args(["install", "-y", "--no-install-recommends"])
            .args(&missing))?;
        Ok(())
    })
}

/// Whether this process can create namespaces and mounts, and install packages.
pub fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    // Without this, packages start their servers if there is a service manager. The tests start them themselves.
    command
        .arg("-qq")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1");
    command
}

fn is_there(program: &str) -> bool {
    if program.starts_with('/') {
        Path::new(program).exists()
    } else {
        find(program).is_some()
    }
}
