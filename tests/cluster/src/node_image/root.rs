//! The root file system of a node: Debian packages, kind's files, the programs of the Go modules, and settings.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::settings;
use crate::command::run;
use crate::programs;

/// The Debian release.
const RELEASE: &str = "bookworm";
const PACKAGES: [&str; 15] = [
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "dbus",
    "ethtool",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "mount",
    "nftables",
    "procps",
    "runc",
    "socat",
    "systemd-sysv",
];

/// Folders of unneeded units. A node needs only those of [`WANTED`], like kind's own image.
const UNWANTED: [&str; 4] = [
    "usr/lib/systemd/system/multi-user.target.wants",
    "usr/lib/systemd/system/local-fs.target.wants",
    "usr/lib/systemd/system/basic.target.wants",
    "etc/systemd/system",
];
const WANTED: [&str; 3] = ["kubelet", "undo-mount-hacks", "containerd"];
/// Units that would change the machine, because kernel settings are not namespaced, and units that create temporary files in
/// folders that kind mounts.
const MASKED: [&str; 3] = [
    "systemd-binfmt.service",
    "systemd-sysctl.service",
    "systemd-tmpfiles-setup.service",
];
/// Documentation and lists that no program reads.
const REMOVED: [&str; 5] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "var/lib/apt/lists",
    "var/cache/apt",
];

/// Completes the root file system with kind's files, the programs and the settings.
pub(super) fn complete(root: &Path, programs: &Path) -> anyhow::Result<()> {
    kind_files(root, &programs::kind_files()?)?;
    programs::install_kubernetes(programs, &root.join("usr/bin"))?;
    install(&programs.join("kubectl"), &root.join("usr/bin/kubectl"))?;
    for name in programs::containerd() {
        install(&programs.join(name), &root.join("usr/local/bin").join(name))?;
    }
    settings::write(root)?;
    units(root)?;
    for path in REMOVED {
        let _ = fs::remove_dir_all(root.join(path));
    }
    Ok(())
}

/// Creates the root file system of Debian packages.
pub(super) fn debian(root: &Path) -> anyhow::Result<()> {
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| root.display().to_string())?;
    }
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap
        .args(["--quiet", "--mode=root", "--format=directory"])
        .args(["--variant=minbase"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        // The file is written only once and is useless until it is complete.
        .args(["--dpkgopt=force-unsafe-io"])
        .arg(RELEASE)
        .arg(root);
    run(&mut mmdebstrap).map(drop)
}

/// Copies the files that turn a systemd system into a kind node.
fn kind_files(root: &Path, files: &Path) -> anyhow::Result<()> {
    install(
        &files.join("usr/local/bin/entrypoint"),
        &root.join("usr/local/bin/entrypoint"),
    )?;
    for script in fs::read_dir(files.join("kind/bin"))? {
        let script = script?;
        install(
            &script.path(),
            &root.join("kind/bin").join(script.file_name()),
        )?;
    }
    for folder in ["kind/manifests", "etc/kubernetes/manifests"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for path in [
        "etc/crictl.yaml",
        "etc/systemd/system/kubelet.slice",
        "etc/systemd/system/kubelet.service",
        "etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
        "etc/systemd/system/kubelet.service.d/11-kind.conf",
        "etc/systemd/system/undo-mount-hacks.service",
        "etc/systemd/system/containerd.service",
    ] {
        settings::file(root, path, &fs::read_to_string(files.join(path))?)?;
    }
    Ok(())
}

/// Removes all units except those that a node needs.
fn units(root: &Path) -> anyhow::Result<()> {
    for folder in UNWANTED {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
            let path = entry?.path();
            let is_wants = path
                .extension()
                .is_some_and(|extension| extension == "wants");
            if is_wants {
                fs::remove_dir_all(&path)?;
            } else if path.is_symlink() {
                fs::remove_file(&path)?;
            }
        }
    }
    let sockets = root.join("usr/lib/systemd/system/sockets.target.wants");
    for entry in fs::read_dir(sockets).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains("udev") || name.contains("initctl") {
            fs::remove_file(entry.path())?;
        }
    }
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants)?;
    for unit in WANTED {
        let unit = format!("{unit}.service");
        symlink(format!("/etc/systemd/system/{unit}"), wants.join(&unit))?;
    }
    for unit in MASKED {
        symlink("/dev/null", root.join("etc/systemd/system").join(unit))?;
    }
    Ok(())
}

/// Copies a program.
fn install(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
