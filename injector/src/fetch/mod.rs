//! From classes to file contents: credentials once, all objects at the same time, one failure fails all.
//!
//! | module | holds |
//! |---|---|
//! | `class` | one class: from answers to file contents |
//! | `regions` | one result for each request: from the first region, or from the second one where that failed |
//! | `secrets`, `parameters`, `paths` | calls of the two services |
//! | `answers` | what they answer |

mod answers;
pub(crate) mod class;
mod parameters;
mod paths;
mod regions;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use provider_class::{FileContents, Title, collision_of};

use crate::aws::{Clients, Deadline, HttpClient, HttpError};
use crate::classes::ClassToFetch;
use crate::credentials::CredentialStore;
use crate::environment::Environment;
use crate::variables::SecretVariables;
use crate::versions::{ClassVersions, Versions};

pub use regions::SECRETS_AT_ONCE;

/// The files of each directory.
pub type Directories = BTreeMap<PathBuf, Vec<FileContents>>;

/// Why nothing is written.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection can be opened at all.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Some objects could not be had: every one of them is listed.
    #[error("{}", .0.join("\n"))]
    Objects(Vec<String>),
}

/// Fetches all objects of all classes; the files, and which versions they hold. A value that its variable cannot have is a
/// failure, too.
pub async fn fetch(
    wanted: &[ClassToFetch],
    variables: Option<&SecretVariables>,
    environment: Environment,
    timeout: Duration,
) -> Result<(Directories, Versions), FetchError> {
    let http = HttpClient::new(&environment)?;
    let deadline = Deadline::after(timeout).patient();
    let credentials = CredentialStore::new(Clients::new(http, environment), deadline);
    let nothing = ClassVersions::new();
    let classes = wanted
        .iter()
        .map(|wanted| class::fetch(wanted, variables, &credentials, &nothing));
    let mut versions = Versions::default();
    let mut errors = Vec::new();
    let mut made: BTreeMap<&Path, Vec<(&str, FileContents)>> = BTreeMap::new();
    for (wanted, result) in wanted.iter().zip(join_all(classes).await) {
        let class = wanted.class.name.as_str();
        match result {
            Ok(fetched) => {
                let files = fetched.files.into_iter().map(|file| (class, file));
                made.entry(&wanted.mount_path).or_default().extend(files);
                versions.set(wanted, fetched.versions);
            }
            Err(failed) => {
                let lines = failed.lines.into_iter();
                errors.extend(lines.map(|line| format!("{}: {line}", Title(class))));
            }
        }
    }
    for files in made.values() {
        let paths = files.iter();
        let paths = paths.map(|(class, contents)| (*class, contents.file.path.as_str()));
        errors.extend(collision_of(paths).err().map(|error| error.to_string()));
    }
    if !errors.is_empty() {
        return Err(FetchError::Objects(errors));
    }
    let directories = made.into_iter().map(|(directory, files)| {
        let files = files.into_iter().map(|(_, contents)| contents);
        (directory.to_owned(), files.collect())
    });
    Ok((directories.collect(), versions))
}
