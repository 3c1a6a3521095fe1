//! Programs that have to be there: installed where the machine allows it, or else named with the command that does it.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::command::{find, run};
use crate::progress::step;

/// A program or file, and the Debian package that brings it.
const NEEDED: [(&str, &str); 9] = [
    ("buildah", "buildah"),
    ("etcd", "etcd-server"),
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("busybox", "busybox-static"),
];

/// Makes sure that the local cluster has its programs.
pub fn for_local_cluster() -> anyhow::Result<()> {
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

/// The local cluster makes namespaces and mounts.
pub fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    // Packages of servers start them otherwise, where the machine has a service manager; ours are started by hand.
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
