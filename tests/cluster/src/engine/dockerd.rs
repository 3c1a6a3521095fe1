//! The Docker daemon in an engine's namespaces.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::{Own, SERVER_VERSION};
use crate::command::{find, run, start as start_process};
use crate::progress::step;
use crate::project;

/// Its socket, in a folder that exists only in the namespaces, so that nothing else mistakes it for the machine's engine.
pub(super) const SOCKET: &str = "/run/docker.sock";
/// The Debian package.
const PACKAGE: &str = "docker.io";
/// The number of a capability that root lacks on some virtual machines.
const CAP_SYS_RESOURCE: u32 = 24;
/// The runtime for machines where root lacks it. Docker gives a privileged container every capability, which fails there.
const RUNTIME: &str = r#"#!/bin/sh
# runc for a machine whose root lacks CAP_SYS_RESOURCE: asks for all capabilities but that one.
previous=
for argument in "$@"; do
  case $previous in
    --bundle|-b) file=$argument/config.json ;;
    --process|-p) file=$argument ;;
    *) file= ;;
  esac
  if [ -n "$file" ] && [ -f "$file" ]; then
    sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$file"
  fi
  previous=$argument
done
exec runc "$@"
"#;

/// The folder with the unpacked Docker programs, outside the system, so that nothing is started or changed. `None` if Docker
/// is installed.
pub(super) fn programs() -> anyhow::Result<Option<PathBuf>> {
    if find("dockerd").is_some() {
        return Ok(None);
    }
    let folder = project::target().join("docker");
    if !folder.exists() {
        step(
            &format!("unpacking the Debian package {PACKAGE} (once)"),
            || unpack(&folder),
        )?;
    }
    Ok(Some(folder))
}

fn unpack(folder: &Path) -> anyhow::Result<()> {
    let unfinished = folder.with_extension(std::process::id().to_string());
    fs::create_dir_all(&unfinished)?;
    let mut download = Command::new("apt-get");
    download.args(["-qq", "download", PACKAGE]);
    run(download.current_dir(&unfinished)).with_context(|| {
        format!("package {PACKAGE} not found: start Docker, or run apt-get update first")
    })?;
    for package in fs::read_dir(&unfinished)?.flatten() {
        run(Command::new("dpkg-deb")
            .arg("--extract")
            .arg(package.path())
            .arg(&unfinished))?;
        fs::remove_file(package.path())?;
    }
    // If it cannot be renamed, another process was faster.
    if fs::rename(&unfinished, folder).is_err() {
        fs::remove_dir_all(&unfinished)?;
    }
    Ok(())
}

/// A PATH with Docker's programs first, and with the system folders.
pub(super) fn search_path(programs: Option<&Path>) -> OsString {
    let unpacked = programs
        .into_iter()
        .flat_map(|folder| [folder.join("usr/bin"), folder.join("usr/sbin")]);
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let all = unpacked.chain(env::split_paths(&path)).chain(system);
    env::join_paths(all).unwrap_or(path)
}

/// Starts the daemon and waits until it answers.
pub(super) fn start(own: &Own, folder: &Path, data: &Path) -> anyhow::Result<()> {
    let mut dockerd = own.namespace.command("dockerd");
    dockerd
        .env("PATH", search_path(own.programs.as_deref()))
        .arg("--data-root")
        .arg(data)
        .args(["--host", &format!("unix://{SOCKET}")])
        .args(["--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"])
        .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
        .args(["--cgroup-parent", &format!("/{}", own.namespace.cgroup())]);
    if !has_capability(CAP_SYS_RESOURCE) {
        let runtime = folder.join("runc-without-sys-resource");
        fs::write(&runtime, RUNTIME)?;
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755))?;
        dockerd.args([
            "--add-runtime",
            &format!("capable={}", runtime.display()),
            "--default-runtime",
            "capable",
        ]);
    }
    let log = folder.join("dockerd.log");
    let mut process = start_process(&mut dockerd, &log)?;
    let socket = own.namespace.path(SOCKET);
    for _ in 0..600 {
        if socket.exists() && run(own.client("docker").args(SERVER_VERSION)).is_ok() {
            return Ok(());
        }
        let ended = process.try_wait()?.is_some();
        ensure!(
            !ended,
            "dockerd exited at startup:\n{}",
            fs::read_to_string(&log).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("dockerd did not answer; see {}", log.display())
}

/// Whether this process has the capability with this number.
fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    effective.is_some_and(|capabilities| capabilities >> number & 1 == 1)
}
