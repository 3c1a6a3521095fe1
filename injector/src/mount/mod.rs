//! Writes a directory's files in one step, in the layout of kubelet's own projected volumes: the files in a
//! directory `..<time>`, a link `..data` to it, and a link for each top-level name. Changing `..data` is one rename, so
//! that a reader sees all old files or all new ones.
//!
//! Source: <https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter>.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use provider_class::FileContents;

/// The link that all top-level links go through.
const DATA: &str = "..data";
/// The new `..data` before it takes the old one's place.
const NEW_DATA: &str = "..data_tmp";

/// Why a directory was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The kernel refused.
    #[error("could not {action} {}: {error}{}", .path.display(), hint(.error))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Something that is not ours has the name of a file to write.
    #[error("{} exists and was not written by this program: remove it, or choose another objectAlias", .0.display())]
    Taken(PathBuf),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the secrets are larger than the volume: raise its size limit"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; the directory must be a writable volume",
        io::ErrorKind::PermissionDenied => {
            "; the user that this runs as must be allowed to write there"
        }
        _ => "",
    }
}

trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, WriteError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, WriteError> {
        self.map_err(|error| WriteError::Io {
            action,
            path: path.to_owned(),
            error,
        })
    }
}

/// Makes `directory` hold exactly `files`: all of them, or, on an error, what it held before.
pub fn write(directory: &Path, files: &[FileContents]) -> Result<(), WriteError> {
    replace(directory, files)?.remove()
}

/// What a directory held before; it is still there, for readers that have found their way to it already.
#[derive(Debug)]
#[must_use = "old secrets stay on the volume until they are removed"]
pub struct Old {
    directory: PathBuf,
    new: PathBuf,
    names: BTreeSet<String>,
}

/// The same as [`write`], but what was there before is left for the caller to remove.
pub fn replace(directory: &Path, files: &[FileContents]) -> Result<Old, WriteError> {
    fs::create_dir_all(directory).at("create", directory)?;
    let names: BTreeSet<&str> = files
        .iter()
        .filter_map(|contents| contents.file.path.components().next())
        .collect();
    refuse_taken(directory, &names)?;
    let new = new_directory(directory)?;
    let written = write_all(&new, files).and_then(|()| publish(directory, &new, &names));
    if let Err(error) = written {
        let _ = fs::remove_dir_all(&new);
        return Err(error);
    }
    Ok(Old {
        directory: directory.to_owned(),
        names: names.into_iter().map(str::to_owned).collect(),
        new,
    })
}

/// A top-level link of ours, and nothing else, may stand where a file goes.
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

/// A new directory that others can enter once it is published: the files' own modes say who reads what.
fn new_directory(directory: &Path) -> Result<PathBuf, WriteError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut nanoseconds = now.as_nanos();
    loop {
        let path = directory.join(format!("..{nanoseconds}"));
        match DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => {
                // The mode above is cut by the umask.
                fs::set_permissions(&path, Permissions::from_mode(0o755))
                    .at("set the mode of", &path)?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => nanoseconds += 1,
            Err(error) => return Err(error).at("create", &path),
        }
    }
}

fn write_all(root: &Path, files: &[FileContents]) -> Result<(), WriteError> {
    for contents in files {
        let path = root.join(&contents.file.path);
        create_parents(root, &path)?;
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

fn create_parents(root: &Path, path: &Path) -> Result<(), WriteError> {
    let parents = path
        .ancestors()
        .skip(1)
        .take_while(|parent| *parent != root);
    let missing: Vec<_> = parents.take_while(|parent| !parent.exists()).collect();
    for parent in missing.into_iter().rev() {
        fs::create_dir(parent).at("create", parent)?;
        fs::set_permissions(parent, Permissions::from_mode(0o755)).at("set the mode of", parent)?;
    }
    Ok(())
}

/// Makes links for names that are new, then puts the new files in the old ones' place: the rename is the last step, so
/// that nothing can fail once the new files are visible.
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
    /// Removes links to files that are no more, and the directories of earlier writes.
    pub fn remove(self) -> Result<(), WriteError> {
        let directory = &self.directory;
        for entry in fs::read_dir(directory).at("list", directory)? {
            let path = entry.at("list", directory)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let old_directory = path != self.new
                && name
                    .strip_prefix("..")
                    .is_some_and(|time| time.bytes().all(|b| b.is_ascii_digit()));
            if old_directory {
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
