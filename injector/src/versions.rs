//! Which version of each object the files on disk hold, so that a refresh asks for a value only when it is another one.
//! Fetch and refresh share it as a file of their own, out of the app's sight. It holds version ids, and no values.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use provider_class::Region;
use serde::{Deserialize, Serialize};

use crate::classes::Wanted;

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
    /// A secret's `VersionId`, a parameter's `Version`.
    pub id: String,
    /// When AWS got this version, in seconds since 1970.
    pub created: Option<i64>,
}

fn region_to_text<S: serde::Serializer>(region: &Region, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(region.as_str())
}

fn region_from_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Region, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// Versions of one class's objects, by request.
pub type ClassVersions = BTreeMap<String, Version>;

/// Versions of all classes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Versions(BTreeMap<String, ClassVersions>);

/// Why versions could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}: {error}", .path.display())]
pub struct StateError {
    action: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl Versions {
    /// What a class's files hold; nothing for a class that was never fetched.
    pub fn of(&self, wanted: &Wanted) -> Option<&ClassVersions> {
        self.0.get(&key(wanted))
    }

    /// Notes what a class's files hold now.
    pub fn set(&mut self, wanted: &Wanted, versions: ClassVersions) {
        self.0.insert(key(wanted), versions);
    }

    /// Reads the file of a directory; a missing one holds nothing.
    pub fn load(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(FILE);
        let fail = |error| StateError {
            action: "read",
            path: path.clone(),
            error,
        };
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map_err(|error| fail(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(fail(error)),
        }
    }

    /// Replaces the file of a directory in one step.
    pub fn save(&self, directory: &Path) -> Result<(), StateError> {
        let (path, new) = (directory.join(FILE), directory.join(NEW_FILE));
        let write = || {
            fs::create_dir_all(directory)?;
            let json = serde_json::to_vec(self)?;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(&new)?.write_all(&json)?;
            fs::rename(&new, &path)
        };
        write().map_err(|error| StateError {
            action: "write",
            path: path.clone(),
            error,
        })
    }
}

/// One class may go to two directories.
fn key(wanted: &Wanted) -> String {
    format!("{} in {}", wanted.class.name, wanted.mount_path.display())
}
