//! Why a directory could not be written.

use std::io;
use std::path::{Path, PathBuf};

/// Why a directory could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The kernel reported an error.
    #[error("could not {action} {}: {error}{}", .path.display(), hint(.error))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's error.
        error: io::Error,
    },
    /// The volume has no room for the new files.
    #[error(
        "could not write {}: the volume is full: the new files take {bytes} bytes, and must fit beside the old ones until they replace them; raise its size limit (the chart's injector.secretsSizeLimit)", .path.display()
    )]
    Full {
        /// The file that did not fit.
        path: PathBuf,
        /// Size of all new files.
        bytes: usize,
    },
    /// Something that this program did not write has the name of a new file.
    #[error("{} exists and was not written by this program: remove it, or choose another objectAlias", .0.display())]
    Taken(PathBuf),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => "; the directory must be a writable volume",
        io::ErrorKind::PermissionDenied => "; the container's user must be allowed to write there",
        _ => "",
    }
}

impl WriteError {
    /// Adds the size of all new files where there was no room for them.
    pub(super) fn with_size(self, bytes: usize) -> Self {
        match self {
            Self::Io { path, error, .. }
                if matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                Self::Full { path, bytes }
            }
            other => other,
        }
    }
}

/// Adds what was tried to an error of the kernel.
pub(super) trait At<T> {
    /// `action` is a verb, such as "create".
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
