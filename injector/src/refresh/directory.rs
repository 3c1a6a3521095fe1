//! One directory's files as they are to be: what has changed, and the rest as it is on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use provider_class::{File, FileContents};
use zeroize::Zeroizing;

use crate::mount::{self, WriteError};

/// Why a directory is left as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpdateError {
    /// The kernel refused to write.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file that has not changed is not there any more.
    #[error("could not read {}, which has not changed at AWS: {error}; everything is fetched again", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Makes the directory hold `files`, with the contents of `changed` or else those that it has: in one step, and only if that
/// makes a difference. The paths whose contents are new.
pub(super) fn update(
    directory: &Path,
    files: &[File],
    mut changed: BTreeMap<String, FileContents>,
) -> Result<Vec<String>, UpdateError> {
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let on_disk = |file: &File| {
        let path = directory.join(&file.path);
        let bytes = fs::read(&path).map(Zeroizing::new);
        bytes.map_err(|error| UpdateError::Missing { path, error })
    };
    let mut contents = Vec::with_capacity(files.len());
    let mut different = Vec::new();
    for file in files {
        let name = file.path.to_string();
        match changed.remove(&name) {
            Some(new) => {
                if on_disk(file).ok().as_ref() != Some(&new.bytes) {
                    different.push(name);
                }
                contents.push(new);
            }
            None => contents.push(FileContents {
                file: file.clone(),
                bytes: on_disk(file)?,
            }),
        }
    }
    if !different.is_empty() {
        mount::write(directory, &contents)?;
    }
    Ok(different)
}
