//! The files of one directory in a refresh: those that were fetched, those that stay, and those that go.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use provider_class::{
    Collision, File, FileContents, FileMode, FilePath, PathTranslation, collision_of,
};
use zeroize::Zeroizing;

use crate::classes::ClassToFetch;
use crate::fetch::class::Fetched;
use crate::mount;
use crate::versions::Versions;

/// The result for a class: the names of the files that changed, or why the refresh failed.
pub type ClassResult = Result<Vec<String>, BTreeSet<String>>;

/// The files of all classes of a directory.
pub(super) struct DirectoryFiles<'a> {
    directory: &'a Path,
    classes: Vec<ClassFiles<'a>>,
}

/// A file that is there and cannot be read. To go on without it would remove it.
#[derive(Debug, thiserror::Error)]
#[error("could not read {}: {error}{}", .path.display(), hint(.error))]
pub(super) struct Unreadable {
    path: PathBuf,
    error: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; a refresh needs a filePermission that lets the owner read, such as 0440"
        }
        _ => "",
    }
}

/// The files of one class, before and after this refresh.
struct ClassFiles<'a> {
    index: usize,
    wanted: &'a ClassToFetch,
    fetched: Option<&'a Fetched>,
    before: BTreeSet<String>,
    after: BTreeSet<String>,
}

impl<'a> DirectoryFiles<'a> {
    /// The files of a directory, with what was fetched, by the index of its class.
    pub(super) fn of(
        directory: &'a Path,
        wanted: &'a [ClassToFetch],
        versions: &Versions,
        fetched: &'a BTreeMap<usize, Fetched>,
    ) -> Self {
        let mut classes = Vec::new();
        for (index, wanted) in wanted.iter().enumerate() {
            if wanted.mount_path != directory {
                continue;
            }
            let fetched = fetched.get(&index);
            let before = files_of(wanted, versions);
            let after = match fetched {
                Some(fetched) => {
                    let versions = fetched.versions.values();
                    let files = versions.flat_map(|version| version.files.clone());
                    files.chain(templates(wanted)).collect()
                }
                None => before.clone(),
            };
            classes.push(ClassFiles {
                index,
                wanted,
                fetched,
                before,
                after,
            });
        }
        Self { directory, classes }
    }

    /// Do the classes keep out of each other's way? Names that became known only now could not be checked before.
    pub(super) fn check(&self) -> Result<(), Collision> {
        collision_of(self.classes.iter().flat_map(|class| {
            let name = class.wanted.class.name.as_str();
            class.after.iter().map(move |path| (name, path.as_str()))
        }))
    }

    /// The result for each fetched class if nothing can be written.
    pub(super) fn failed(&self, line: &str) -> BTreeMap<usize, ClassResult> {
        let fetched = self.classes.iter().filter(|class| class.fetched.is_some());
        fetched
            .map(|class| (class.index, Err(BTreeSet::from([line.to_owned()]))))
            .collect()
    }

    /// The new contents of the fetched files, and the current ones of those that stay.
    pub(super) fn contents(&self) -> Result<Vec<FileContents>, Unreadable> {
        let fetched = self.classes.iter().filter_map(|class| class.fetched);
        let mut files: Vec<FileContents> = fetched.flat_map(|class| class.files.clone()).collect();
        let mut paths: BTreeSet<String> = files
            .iter()
            .map(|contents| contents.file.path.to_string())
            .collect();
        for path in self.classes.iter().flat_map(|class| &class.after) {
            if paths.insert(path.clone()) {
                files.extend(current(self.directory, path)?);
            }
        }
        Ok(files)
    }

    /// The names of the files of each fetched class that differ from those on disk, are new, or go.
    pub(super) fn changed(&self) -> Result<BTreeMap<usize, Vec<String>>, Unreadable> {
        let mut changed = BTreeMap::new();
        for class in &self.classes {
            let Some(fetched) = class.fetched else {
                continue;
            };
            let mut names = Vec::new();
            for new in &fetched.files {
                let old = match read(self.directory, &new.file) {
                    // It becomes a directory or was one, such as `mail` when `mail/host` comes or goes.
                    Err(Unreadable { error, .. }) if mount::is_no_file(&error) => None,
                    old => old?,
                };
                if old.is_none_or(|old| old != new.bytes) {
                    names.push(new.file.path.to_string());
                }
            }
            names.extend(class.before.difference(&class.after).cloned());
            changed.insert(class.index, names);
        }
        Ok(changed)
    }
}

/// The files that a class has on disk. If its versions are not known, those that it could have made.
fn files_of(wanted: &ClassToFetch, versions: &Versions) -> BTreeSet<String> {
    if let Some(versions) = versions.of(wanted) {
        let versions = versions.values();
        let files = versions.flat_map(|version| version.files.clone());
        return files.chain(templates(wanted)).collect();
    }
    let mut files = mount::names(&wanted.mount_path);
    files.retain(|path| wanted.class.presence(path).is_some());
    files
}

/// The files that templates make.
fn templates(wanted: &ClassToFetch) -> impl Iterator<Item = String> {
    let templates = wanted.class.templates.iter();
    templates.map(|template| template.file.path.to_string())
}

/// A file as it is on disk, if it exists.
fn current(directory: &Path, path: &str) -> Result<Option<FileContents>, Unreadable> {
    let Ok(path) = FilePath::translate(path, PathTranslation::Off) else {
        return Ok(None);
    };
    let Some(metadata) = existing(directory.join(&path), |file| fs::metadata(file))? else {
        return Ok(None);
    };
    let mode = FileMode::of_bits(metadata.permissions().mode());
    let file = File { path, mode };
    let bytes = read(directory, &file)?;
    Ok(bytes.map(|bytes| FileContents { file, bytes }))
}

/// The contents of a file, if it exists.
pub(super) fn read(
    directory: &Path,
    file: &File,
) -> Result<Option<Zeroizing<Vec<u8>>>, Unreadable> {
    let bytes = existing(directory.join(&file.path), |file| fs::read(file))?;
    Ok(bytes.map(Zeroizing::new))
}

/// What is read of a file, if it exists.
fn existing<T>(
    path: PathBuf,
    read: impl FnOnce(&Path) -> io::Result<T>,
) -> Result<Option<T>, Unreadable> {
    match read(&path) {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Unreadable { path, error }),
    }
}
