//! From classes to file contents: credentials once, all objects at the same time, one failure fails all.

pub(crate) mod class;
mod parameters;
mod secrets;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use provider_class::FileContents;

use crate::aws::{Clients, Deadline, Failure, HttpClient, HttpError, Service};
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

/// Fetches all objects of all classes; the files, and which versions they hold.
pub async fn fetch(
    wanted: &[Wanted],
    environment: Environment,
    timeout: Duration,
) -> Result<(Directories, Versions), FetchError> {
    let http = HttpClient::new(environment.ca_bundle.as_deref())?;
    let credentials =
        CredentialStore::new(Clients::new(http, environment), Deadline::after(timeout));
    let nothing = ClassVersions::new();
    let classes = wanted
        .iter()
        .map(|wanted| class::fetch(&wanted.class, &wanted.plan, &credentials, &nothing));
    let mut directories = Directories::new();
    let mut versions = Versions::default();
    let mut errors = Vec::new();
    for (wanted, result) in wanted.iter().zip(join_all(classes).await) {
        match result {
            Ok(fetched) => {
                let directory = directories.entry(wanted.mount_path.clone());
                directory.or_default().extend(fetched.files);
                versions.set(wanted, fetched.versions);
            }
            Err(failed) => errors.extend(
                failed
                    .lines
                    .into_iter()
                    .map(|line| format!("class {:?}: {line}", wanted.class.name)),
            ),
        }
    }
    if errors.is_empty() {
        Ok((directories, versions))
    } else {
        Err(FetchError::Objects(errors))
    }
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

    /// Did a service say no, other than for its load?
    fn is_refused(&self) -> bool {
        let refused = |failure: &Failure| {
            matches!(failure.cause, crate::aws::Cause::Refused { .. })
                && !failure.cause.is_throttling()
        };
        self.failures().iter().any(refused)
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
