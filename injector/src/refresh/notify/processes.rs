//! Finds the first process of another container of the pod, in the process namespace that they share.
//!
//! Such a process has no parent in there, and its termination message is mounted from a directory of the kubelet that has the
//! container's name: `…/pods/UID/containers/NAME/ID`.

use std::fs;
use std::path::Path;

/// The process's ID, or why there is none.
pub fn first_of(proc_folder: &Path, container: &str) -> Result<i32, String> {
    let entries =
        fs::read_dir(proc_folder).map_err(|error| format!("{}: {error}", proc_folder.display()))?;
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_it = |id: &i32| {
        let folder = proc_folder.join(id.to_string());
        is_first(&folder) && is_in(&folder, container)
    };
    ids.into_iter().find(is_it).ok_or_else(|| {
        format!("no process of container {container:?} can be seen: is shareProcessNamespace set, and does it run?")
    })
}

/// Has it no parent here?
fn is_first(folder: &Path) -> bool {
    let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.is_some_and(|parent| parent.trim() == "0")
}

/// The fourth field of a line is what was mounted: <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>.
fn is_in(folder: &Path, container: &str) -> bool {
    let mounts = fs::read_to_string(folder.join("mountinfo")).unwrap_or_default();
    mounts.lines().any(|line| {
        let root = line.split(' ').nth(3).unwrap_or_default();
        let parts: Vec<&str> = root.split('/').collect();
        matches!(parts[..], [.., "pods", _, "containers", name, _] if name == container)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process, as /proc shows it.
    fn process(root: &Path, id: u32, parent: u32, container: &str) {
        let folder = root.join(id.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("status"),
            format!("Name:\tx\nPPid:\t{parent}\nUid:\t1\n"),
        )
        .unwrap();
        let mount = format!(
            "22 1 0:20 / / rw - overlay overlay rw\n36 22 8:1 /var/lib/kubelet/pods/6a/containers/{container}/1f /dev/termination-log rw,relatime - ext4 /dev/sda1 rw\n"
        );
        fs::write(folder.join("mountinfo"), mount).unwrap();
    }

    #[test]
    fn the_first_process_of_a_container_is_found_among_all() {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path();
        process(root, 1, 0, "pause");
        process(root, 7, 0, "web-2");
        process(root, 9, 8, "web");
        process(root, 8, 0, "web");
        fs::create_dir(root.join("self")).unwrap();
        assert_eq!(first_of(root, "web"), Ok(8));
        assert!(first_of(root, "other").unwrap_err().contains("\"other\""));
    }
}
