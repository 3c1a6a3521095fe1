//! From classes to file contents: credentials once, all objects at the same time, one failure fails all.

mod class;
mod parameters;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use provider_class::FileContents;

use crate::aws::{Clients, Deadline, Failure, HttpError, Service, http_client};
use crate::classes::Wanted;
use crate::credentials::CredentialStore;
use crate::environment::Environment;
use crate::versions::{ClassVersions, Versions};

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

/// What was fetched.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The files of each directory.
    pub directories: Directories,
    /// The versions of the secrets in them.
    pub versions: Versions,
}

/// What a class's files are made of now.
#[derive(Clone, Debug, Default)]
pub struct ClassFiles {
    /// Files of the objects whose versions were not known already.
    pub contents: Vec<FileContents>,
    /// The versions of all.
    pub versions: ClassVersions,
}

/// Fetches all objects of all classes: one failure fails all.
pub async fn fetch(
    wanted: &[Wanted],
    environment: Environment,
    timeout: Duration,
) -> Result<Fetched, FetchError> {
    let http = http_client(environment.ca_bundle.as_deref())?;
    let store = CredentialStore::new(Clients::new(http, environment), Deadline::after(timeout));
    let results = classes(wanted, &store, &Versions::default()).await;
    let mut fetched = Fetched::default();
    let mut errors = Vec::new();
    for (wanted, result) in wanted.iter().zip(results) {
        let name = &wanted.class.name;
        match result {
            Ok(files) => {
                let directory = wanted.mount_path.clone();
                let contents = fetched.directories.entry(directory).or_default();
                contents.extend(files.contents);
                fetched.versions.0.insert(name.clone(), files.versions);
            }
            Err(lines) => errors.extend(lines.iter().map(|line| format!("class {name:?}: {line}"))),
        }
    }
    if errors.is_empty() {
        Ok(fetched)
    } else {
        Err(FetchError::Objects(errors))
    }
}

/// Fetches each class, but for objects of which the version that is wanted is known already. The errors of a class are a
/// line for each object.
pub async fn classes(
    wanted: &[Wanted],
    store: &CredentialStore,
    known: &Versions,
) -> Vec<Result<ClassFiles, BTreeSet<String>>> {
    let class = |wanted: &Wanted| known.of(&wanted.class.name);
    let known: Vec<ClassVersions> = wanted.iter().map(class).collect();
    let classes = wanted.iter().zip(&known);
    let fetches =
        classes.map(|(wanted, known)| class::fetch(&wanted.class, &wanted.plan, store, known));
    join_all(fetches).await
}

/// Why one value could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ValueError {
    /// The only region, or the first one with a final answer.
    One(Failure),
    /// Both regions.
    Both(Box<[Failure; 2]>),
}

impl ValueError {
    fn failures(&self) -> &[Failure] {
        match self {
            Self::One(failure) => std::slice::from_ref(failure),
            Self::Both(failures) => &failures[..],
        }
    }

    /// Did it fail before the object itself was asked for?
    fn is_about_credentials(&self) -> bool {
        let about =
            |failure: &Failure| matches!(failure.service, Service::Sts | Service::PodIdentityAgent);
        self.failures().iter().all(about)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: Vec<_> = self.failures().iter().map(ToString::to_string).collect();
        f.write_str(&failures.join("; and in the failover region: "))
    }
}
