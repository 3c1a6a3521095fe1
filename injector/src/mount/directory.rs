//! Directories that other users can enter and read: their modes, and when the kernel does not follow links in them.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::{At as _, WriteError};

/// Everybody may enter and list. The files' own modes decide who may read them.
const OPEN: u32 = 0o755;
/// New entries inherit the directory's group. This is how a volume with fsGroup gives its group to the files.
const SETGID: u32 = 0o2000;
/// Everybody may write, and only an entry's owner may remove it.
const STICKY_AND_WORLD_WRITABLE: u32 = 0o1002;

/// Creates a directory that does not exist yet.
pub(super) fn create(path: &Path) -> Result<(), WriteError> {
    let created = DirBuilder::new().mode(OPEN).create(path);
    created.at("create", path)?;
    let inherited = fs::metadata(path).at("read the mode of", path)?.mode() & SETGID;
    // The umask has reduced the mode at creation.
    fs::set_permissions(path, Permissions::from_mode(OPEN | inherited)).at("set the mode of", path)
}

/// Creates a directory and its parents if they do not exist.
pub(super) fn create_all(path: &Path) -> Result<(), WriteError> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    for path in missing.into_iter().rev() {
        create(path)?;
    }
    Ok(())
}

/// A directory in which the kernel lets only a link's owner follow the link.
///
/// Source: `fs.protected_symlinks` of <https://docs.kernel.org/admin-guide/sysctl/fs.html>; systemd and Debian set it on nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} belongs to user {owner} and is world-writable, so the kernel (fs.protected_symlinks) lets only user {own} follow the links in it", .path.display()
)]
pub struct UnreadableLinks {
    path: PathBuf,
    owner: u32,
    own: u32,
}

/// Would other users be unable to read files in this directory? A directory that does not exist yet will be readable.
pub fn unreadable_links(path: &Path) -> Option<UnreadableLinks> {
    let own = rustix::process::geteuid().as_raw();
    let metadata = fs::metadata(path).ok()?;
    hinders(&metadata, own).then(|| UnreadableLinks {
        path: path.to_owned(),
        owner: metadata.uid(),
        own,
    })
}

/// The kernel makes an exception if directory and link have the same owner.
fn hinders(directory: &Metadata, own: u32) -> bool {
    directory.mode() & STICKY_AND_WORLD_WRITABLE == STICKY_AND_WORLD_WRITABLE
        && directory.uid() != own
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn with_mode(mode: u32) -> TempDir {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        directory
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn the_group_of_a_volume_with_fs_group_is_handed_on() {
        let volume = with_mode(0o3777);
        let deep = volume.path().join("files/a");
        create_all(&deep).unwrap();
        assert_eq!(mode(&deep), 0o2755);
        let plain = with_mode(0o1777);
        create_all(&plain.path().join("files")).unwrap();
        assert_eq!(mode(&plain.path().join("files")), 0o755);
    }

    #[test]
    fn links_in_another_users_sticky_directory_are_not_for_others() {
        let hinders = |mode: u32, is_own: bool| {
            let directory = with_mode(mode);
            let metadata = fs::metadata(directory.path()).unwrap();
            hinders(&metadata, metadata.uid() + u32::from(!is_own))
        };
        assert!(hinders(0o1777, false));
        assert!(hinders(0o3777, false), "a volume with fsGroup");
        assert!(!hinders(0o1777, true), "the kernel's exception");
        assert!(!hinders(0o777, false) && !hinders(0o1755, false));
    }
}
