//! From classes to file contents: credentials once, all objects at the same time, one failure fails all.
//!
//! | module | holds |
//! |---|---|
//! | `class` | one class: from answers to file contents |
//! | `answers` | one result for each request |
//! | `failover` | the first region, and the second one where that failed |
//! | `region`, `target` | requests to one region |
//! | `secrets`, `parameters`, `paths` | calls of the two services |

mod answers;
pub(crate) mod class;
mod failover;
mod parameters;
mod paths;
mod region;
mod secrets;
mod target;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use provider_class::{FileContents, Title, collision_of};

use crate::aws::{Clients, Deadline, HttpClient, HttpError};
use crate::classes::ClassToFetch;
use crate::credentials::CredentialStore;
use crate::environment::Environment;
use crate::variables::SecretVariables;
use crate::versions::{ClassVersions, Versions};

pub use region::SECRETS_AT_ONCE;

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
    let http = HttpClient::new(environment.ca_bundle.as_deref(), &environment.proxies)?;
    let deadline = Deadline::after(timeout).patient();
    let credentials = CredentialStore::new(Clients::new(http, environment), deadline);
    let nothing = ClassVersions::new();
    let classes = wanted
        .iter()
        .map(|wanted| class::fetch(wanted, variables, &credentials, &nothing));
    let mut directories = Directories::new();
    let mut versions = Versions::default();
    let mut errors = Vec::new();
    let mut written = Vec::new();
    for (wanted, result) in wanted.iter().zip(join_all(classes).await) {
        match result {
            Ok(fetched) => {
                written.extend(
                    fetched
                        .files
                        .iter()
                        .map(|file| (wanted, file.file.path.to_string())),
                );
                let directory = directories.entry(wanted.mount_path.clone());
                directory.or_default().extend(fetched.files);
                versions.set(wanted, fetched.versions);
            }
            Err(failed) => errors.extend(
                failed
                    .lines
                    .into_iter()
                    .map(|line| format!("{}: {line}", Title(&wanted.class.name))),
            ),
        }
    }
    for directory in directories.keys() {
        let files = written
            .iter()
            .filter(|(wanted, _)| wanted.mount_path == *directory)
            .map(|(wanted, path)| (wanted.class.name.as_str(), path.as_str()));
        let collision = collision_of(files).err();
        errors.extend(collision.map(|collision| collision.to_string()));
    }
    if errors.is_empty() {
        Ok((directories, versions))
    } else {
        Err(FetchError::Objects(errors))
    }
}
