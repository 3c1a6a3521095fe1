//! The kube-proxy image: the program, and iptables with all libraries that it links or loads, from the node's root file system.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::command::{find, run};

/// Debian's folder of iptables extensions. Each is a library that is loaded for a keyword in a rule.
const EXTENSIONS: &str = "usr/lib/x86_64-linux-gnu/xtables";
const PROGRAMS: [&str; 2] = ["usr/sbin/xtables-nft-multi", "usr/sbin/nft"];
const NAMES: [&str; 6] = [
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];

/// Builds the image's folder.
pub(super) fn build(folder: &Path, root: &Path, program: &Path) -> anyhow::Result<()> {
    for path in [
        "usr/sbin",
        "usr/bin",
        "usr/local/bin",
        "usr/lib64",
        "run",
        "tmp",
        "etc",
    ] {
        fs::create_dir_all(folder.join(path))?;
    }
    for path in ["sbin", "bin", "lib", "lib64"] {
        symlink(format!("usr/{path}"), folder.join(path))?;
    }
    let proxy = folder.join("usr/local/bin/kube-proxy");
    fs::copy(program, proxy).with_context(|| program.display().to_string())?;
    for path in PROGRAMS {
        copy(root, folder, path)?;
    }
    for name in NAMES {
        symlink("xtables-nft-multi", folder.join("usr/sbin").join(name))?;
    }
    for entry in fs::read_dir(root.join(EXTENSIONS)).context("iptables' extensions")? {
        let name = entry?.file_name();
        copy(
            root,
            folder,
            &format!("{EXTENSIONS}/{}", name.to_string_lossy()),
        )?;
    }
    for library in libraries(root)? {
        copy(root, folder, &library)?;
    }
    for path in ["etc/protocols", "etc/services", "etc/nsswitch.conf"] {
        if root.join(path).exists() {
            copy(root, folder, path)?;
        }
    }
    let busybox = find("busybox").context("busybox not found: install busybox-static")?;
    fs::copy(busybox, folder.join("usr/bin/busybox"))?;
    for name in ["sh", "ls", "cat"] {
        symlink("busybox", folder.join("usr/bin").join(name))?;
    }
    // If a library is missing, this fails now, rather than later as a Service that drops packets.
    run(Command::new("chroot")
        .arg(folder)
        .args(["/usr/sbin/iptables", "--version"]))?;
    Ok(())
}

/// Libraries of the programs and of all extensions. If an extension cannot be loaded, each rule with its keyword fails.
fn libraries(root: &Path) -> anyhow::Result<Vec<String>> {
    let programs = PROGRAMS.map(|path| format!("/{path}")).join(" ");
    let listed = run(Command::new("chroot").arg(root).args([
        "sh",
        "-c",
        &format!("ldd {programs} /{EXTENSIONS}/*.so"),
    ]))?;
    let mut libraries: Vec<String> = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/') && word.contains(".so") && !word.ends_with(':'))
        .map(|word| word.trim_start_matches('/').to_owned())
        .collect();
    libraries.sort();
    libraries.dedup();
    Ok(libraries)
}

/// Copies a file to the same path. Links are followed.
fn copy(root: &Path, folder: &Path, path: &str) -> anyhow::Result<()> {
    let to = folder.join(path);
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(root.join(path), &to).with_context(|| root.join(path).display().to_string())?;
    Ok(())
}
