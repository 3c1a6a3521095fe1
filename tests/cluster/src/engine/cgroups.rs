//! The parent cgroup of all containers of an engine: in each hierarchy of cgroup v1, or in the single one of cgroup v2.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

const ROOT: &str = "/sys/fs/cgroup";

fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let folders = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    // Some names are links, such as cpu to cpu,cpuacct.
    folders
        .filter(|path| path.join("cgroup.procs").exists() && !path.is_symlink())
        .collect()
}

/// Removes it and all cgroups below. Their processes have exited, but the kernel may take a moment to notice.
pub(super) fn remove(name: &str) -> anyhow::Result<()> {
    for hierarchy in hierarchies() {
        let folder = hierarchy.join(name);
        for attempt in 0.. {
            match remove_tree(&folder) {
                Err(_) if attempt < 100 => std::thread::sleep(Duration::from_millis(50)),
                result => {
                    result.with_context(|| format!("could not remove {}", folder.display()))?;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Removes only the folder of a cgroup: its files belong to the kernel.
fn remove_tree(folder: &Path) -> std::io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        remove_tree(&entry.path())?;
    }
    fs::remove_dir(folder)
}
