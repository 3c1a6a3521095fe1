//! Which versions of secrets are in the files: `fetch` notes them for the sidecar, in a directory that the app does not see.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file in the directory.
const FILE: &str = "versions.json";

/// Version IDs by the request that they answered, of one class.
pub type ClassVersions = BTreeMap<String, String>;

/// Version IDs of all classes, by name. None of it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Versions(pub BTreeMap<String, ClassVersions>);

impl Versions {
    /// Reads the note; nothing where there is none, or none that can be read: then everything is fetched once more.
    pub fn read(directory: Option<&Path>) -> Self {
        let text = directory.and_then(|directory| fs::read(directory.join(FILE)).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Writes the note, whole or not at all.
    pub fn write(&self, directory: &Path) -> Result<(), NoteError> {
        let path = directory.join(FILE);
        let unfinished = directory.join(format!("{FILE}.tmp"));
        let text = serde_json::to_vec(self).unwrap_or_default();
        let written = fs::create_dir_all(directory)
            .and_then(|()| fs::write(&unfinished, text))
            .and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|error| NoteError { path, error })
    }

    /// Of one class.
    pub fn of(&self, class: &str) -> ClassVersions {
        self.0.get(class).cloned().unwrap_or_default()
    }
}

/// The note could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not note versions in {} (STATE_DIRECTORY): {error}", .path.display())]
pub struct NoteError {
    path: PathBuf,
    error: std::io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_a_bad_one_is_none() {
        let folder = tempfile::TempDir::new().unwrap();
        let directory = folder.path().join("state");
        let class = ClassVersions::from([("a".to_owned(), "1".to_owned())]);
        let versions = Versions(BTreeMap::from([("db".to_owned(), class)]));
        versions.write(&directory).unwrap();
        assert_eq!(Versions::read(Some(&directory)), versions);
        fs::write(directory.join(FILE), "{").unwrap();
        assert_eq!(Versions::read(Some(&directory)), Versions::default());
        assert_eq!(Versions::read(None), Versions::default());
    }
}
