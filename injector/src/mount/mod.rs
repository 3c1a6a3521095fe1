//! Writes a directory's files in one step, in the layout of the kubelet's projected volumes: the files in a directory
//! `..<time>`, a link `..data` to it, and a link for each top-level name. Changing `..data` is one rename, so a reader sees
//! all old files or all new ones.
//!
//! Source: <https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter>.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use provider_class::FileContents;

use error::At as _;

pub use directory::{UnreadableLinks, unreadable_links};
pub use error::WriteError;

mod directory;
mod error;

/// The link that all top-level links go through.
const DATA: &str = "..data";
/// The new `..data` before it replaces the old one.
const NEW_DATA: &str = "..data_tmp";

/// Makes `directory` hold exactly `files`. On an error it holds what it held before.
pub fn write(directory: &Path, files: &[FileContents]) -> Result<(), WriteError> {
    remove_leftovers(directory)?;
    replace(directory, files)?.remove()
}

/// Does an error of reading a file say that there is none? There may be a directory of its name, or a file of its directory's.
pub(crate) fn is_no_file(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

/// Removes what an interrupted write left behind, because the next write may need the room.
pub fn remove_leftovers(directory: &Path) -> Result<(), WriteError> {
    let current = fs::read_link(directory.join(DATA)).ok();
    remove_sets(directory, current.as_deref())
}

/// Removes the files of a directory that nobody reads yet, so that the volume has room for the new ones. Removes only what
/// [`write`] creates.
pub fn clear(directory: &Path) -> Result<(), WriteError> {
    let data = directory.join(DATA);
    match fs::remove_file(&data) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", &data),
        _ => remove_sets(directory, None),
    }
}

/// What a directory held before. It still exists, for readers that have already resolved the link to it.
#[derive(Debug)]
#[must_use = "old secrets stay on the volume until they are removed"]
pub struct Old {
    directory: PathBuf,
    new: PathBuf,
    names: BTreeSet<String>,
}

/// Like [`write`], but the caller removes the old files.
pub fn replace(directory: &Path, files: &[FileContents]) -> Result<Old, WriteError> {
    directory::create_all(directory)?;
    let names: BTreeSet<&str> = files
        .iter()
        .filter_map(|contents| contents.file.path.components().next())
        .collect();
    refuse_taken(directory, &names)?;
    let new = new_directory(directory)?;
    let written = write_all(&new, files).and_then(|()| publish(directory, &new, &names));
    if let Err(error) = written {
        let _ = fs::remove_dir_all(&new);
        let bytes = files.iter().map(|contents| contents.bytes.len()).sum();
        return Err(error.with_size(bytes));
    }
    Ok(Old {
        directory: directory.to_owned(),
        names: names.into_iter().map(str::to_owned).collect(),
        new,
    })
}

/// In place of a file there may be a link of ours, and nothing else.
fn refuse_taken(directory: &Path, names: &BTreeSet<&str>) -> Result<(), WriteError> {
    for name in names {
        let path = directory.join(name);
        let exists = fs::symlink_metadata(&path).is_ok();
        if exists && !is_ours(&path, name) {
            return Err(WriteError::Taken(path));
        }
    }
    Ok(())
}

fn is_ours(path: &Path, name: &str) -> bool {
    fs::read_link(path).is_ok_and(|target| target == link_target(name))
}

fn link_target(name: &str) -> PathBuf {
    Path::new(DATA).join(name)
}

/// The paths of the files that a directory holds.
pub fn names(directory: &Path) -> BTreeSet<String> {
    let root = directory.join(DATA);
    let mut names = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).into_iter().flatten();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = path.strip_prefix(&root).ok().and_then(Path::to_str) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// Creates a directory for one set of files.
fn new_directory(directory: &Path) -> Result<PathBuf, WriteError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut nanoseconds = now.as_nanos();
    let mut path = directory.join(format!("..{nanoseconds}"));
    while fs::symlink_metadata(&path).is_ok() {
        nanoseconds += 1;
        path = directory.join(format!("..{nanoseconds}"));
    }
    directory::create(&path)?;
    Ok(path)
}

/// Is this the name of a directory for one set of files?
fn is_set(name: &str) -> bool {
    name.strip_prefix("..")
        .is_some_and(|time| !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit()))
}

/// Removes all sets of files of a directory except the one to keep.
fn remove_sets(directory: &Path, keep: Option<&Path>) -> Result<(), WriteError> {
    if !directory.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(directory).at("list", directory)? {
        let entry = entry.at("list", directory)?;
        let name = entry.file_name();
        if name.to_str().is_some_and(is_set) && keep != Some(Path::new(&name)) {
            fs::remove_dir_all(entry.path()).at("remove", &entry.path())?;
        }
    }
    Ok(())
}

fn write_all(root: &Path, files: &[FileContents]) -> Result<(), WriteError> {
    for contents in files {
        let path = root.join(&contents.file.path);
        if let Some(parent) = path.parent() {
            directory::create_all(parent)?;
        }
        let create = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let mut file: File = create.at("create", &path)?;
        file.write_all(&contents.bytes).at("write", &path)?;
        let mode = Permissions::from_mode(contents.file.mode.bits());
        file.set_permissions(mode).at("set the mode of", &path)?;
    }
    Ok(())
}

/// Creates links for new names, then replaces the old files by the new ones. The rename is the last step, so nothing can
/// fail once the new files are visible.
fn publish(directory: &Path, new: &Path, names: &BTreeSet<&str>) -> Result<(), WriteError> {
    let mut made = Vec::new();
    let published = make_links(directory, names, &mut made).and_then(|()| swap(directory, new));
    if published.is_err() {
        for link in made {
            let _ = fs::remove_file(link);
        }
    }
    published
}

fn make_links(
    directory: &Path,
    names: &BTreeSet<&str>,
    made: &mut Vec<PathBuf>,
) -> Result<(), WriteError> {
    for name in names {
        let path = directory.join(name);
        if is_ours(&path, name) {
            continue;
        }
        symlink(link_target(name), &path).at("create the link", &path)?;
        made.push(path);
    }
    Ok(())
}

fn swap(directory: &Path, new: &Path) -> Result<(), WriteError> {
    let (data, new_data) = (directory.join(DATA), directory.join(NEW_DATA));
    let _ = fs::remove_file(&new_data);
    let target = new.file_name().unwrap_or(new.as_os_str());
    symlink(target, &new_data).at("create the link", &new_data)?;
    fs::rename(&new_data, &data).at("replace the link", &data)
}

impl Old {
    /// Removes links to files that no longer exist, and the directories of earlier writes.
    pub fn remove(self) -> Result<(), WriteError> {
        let directory = &self.directory;
        for entry in fs::read_dir(directory).at("list", directory)? {
            let path = entry.at("list", directory)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if is_set(name) && path != self.new {
                fs::remove_dir_all(&path).at("remove", &path)?;
            } else if !self.names.contains(name) && is_ours(&path, name) {
                fs::remove_file(&path).at("remove", &path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
