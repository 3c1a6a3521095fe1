//! The cgroup that holds all pods of a cluster: in every hierarchy of version 1, or in the one of version 2.

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
    // Some names are links to others, such as cpu to cpu,cpuacct.
    folders
        .filter(|path| path.join("cgroup.procs").exists() && !path.is_symlink())
        .collect()
}

pub(super) fn create(name: &str) -> anyhow::Result<()> {
    for hierarchy in hierarchies() {
        let folder = hierarchy.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not create {}", folder.display()))?;
    }
    Ok(())
}

/// Removes it with all below; their processes have ended, but the kernel may take a moment to notice.
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

/// A cgroup's folder is removed by itself: the files in it are the kernel's.
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
