//! The version of each object on disk, so that a refresh fetches a value only when its version has changed. `fetch` and
//! `refresh` share it in a file that the app has no access to. It holds version ids and the names of files, and no values.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use provider_class::{Region, RequestKey};
use serde::{Deserialize, Serialize};

use crate::classes::ClassToFetch;

const FILE: &str = "versions.json";
const NEW_FILE: &str = "versions.json.new";

/// A version of one object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Version {
    /// The region that answered.
    #[serde(
        serialize_with = "region_to_text",
        deserialize_with = "region_from_text"
    )]
    pub region: Region,
    /// A secret's `VersionId`, a parameter's `Version`; nothing for an optional object that does not exist.
    pub id: Option<String>,
    /// When this version was created in AWS, in seconds since 1970.
    pub created: Option<i64>,
    /// The paths of the files that were made of it.
    pub files: Vec<String>,
}

impl Version {
    /// A version in AWS, of which no files have been made yet.
    pub fn new(region: Region, id: String, created: Option<i64>) -> Self {
        Self {
            region,
            id: Some(id),
            created,
            files: Vec::new(),
        }
    }

    /// Does the object exist?
    pub fn exists(&self) -> bool {
        self.id.is_some()
    }

    /// No version, because the object does not exist.
    pub fn missing(region: Region) -> Self {
        Self {
            region,
            id: None,
            created: None,
            files: Vec::new(),
        }
    }
}

fn region_to_text<S: serde::Serializer>(region: &Region, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(region.as_str())
}

fn region_from_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Region, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// Versions of one class's objects, by request.
pub type ClassVersions = BTreeMap<RequestKey, Version>;

/// Versions of all classes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Versions(BTreeMap<String, ClassVersions>);

/// Why the file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}: {error}", .path.display())]
pub struct StateError {
    action: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl Versions {
    /// The versions of a class's files, if it was ever fetched.
    pub fn of(&self, wanted: &ClassToFetch) -> Option<&ClassVersions> {
        self.0.get(&key(wanted))
    }

    /// Sets the versions of a class's files.
    pub fn set(&mut self, wanted: &ClassToFetch, versions: ClassVersions) {
        self.0.insert(key(wanted), versions);
    }

    /// Reads the file in a directory. A missing file holds nothing.
    pub fn load(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(FILE);
        let versions = match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        };
        versions.map_err(|error| StateError {
            action: "read",
            path,
            error,
        })
    }

    /// Replaces the file in a directory in one step.
    pub fn save(&self, directory: &Path) -> Result<(), StateError> {
        let path = directory.join(FILE);
        self.write(directory, &path).map_err(|error| StateError {
            action: "write",
            path,
            error,
        })
    }

    fn write(&self, directory: &Path, path: &Path) -> io::Result<()> {
        let new = directory.join(NEW_FILE);
        fs::create_dir_all(directory)?;
        let json = serde_json::to_vec(self)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&new)?.write_all(&json)?;
        fs::rename(&new, path)
    }
}

/// One class may be written to two directories.
fn key(wanted: &ClassToFetch) -> String {
    format!("{} in {}", wanted.class.name, wanted.mount_path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A newer image may find the file of an older one.
    #[test]
    fn keys_of_another_release_are_read_and_match_no_request() {
        let directory = tempfile::TempDir::new().unwrap();
        let old = r#"{"db in /mnt": {"a label b": {"region": "us-east-2", "id": "1", "created": 7, "files": ["b"]}}}"#;
        fs::write(directory.path().join(FILE), old).unwrap();
        let versions = Versions::load(directory.path()).unwrap();
        let keys: Vec<_> = versions.0["db in /mnt"].keys().collect();
        assert_eq!(format!("{keys:?}"), r#"[RequestKey("a label b")]"#);
    }
}
