//! One look at AWS: what has changed since the last one goes into the files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use provider_class::{File, FileContents};

use super::directory::{self, UpdateError};
use crate::aws::{Clients, Deadline, http_client};
use crate::classes::Wanted;
use crate::credentials::{CredentialStore, Kept};
use crate::environment::Environment;
use crate::fetch::{self, ClassFiles};
use crate::versions::Versions;

/// Looks at AWS again and again, and keeps nothing of a secret between.
pub(super) struct Refresher {
    pub(super) wanted: Vec<Wanted>,
    pub(super) environment: Environment,
    pub(super) timeout: Duration,
    pub(super) state: Option<PathBuf>,
    pub(super) versions: Versions,
    pub(super) credentials: Kept,
}

/// What came of one look.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Paths of files that changed.
    pub(super) changed: Vec<String>,
    /// Names of the classes that were looked at without a failure.
    pub(super) fresh: Vec<String>,
    /// A line each.
    pub(super) failures: Vec<String>,
}

impl Refresher {
    /// Looks once. A class of which any object fails keeps all its files; the others are brought up to date.
    pub(super) async fn round(&mut self) -> Round {
        let mut round = Round::default();
        let http = match http_client(self.environment.ca_bundle.as_deref()) {
            Ok(http) => http,
            Err(error) => {
                round.failures.push(error.to_string());
                return round;
            }
        };
        let clients = Clients::new(http, self.environment.clone());
        let deadline = Deadline::after(self.timeout);
        let kept = std::mem::take(&mut self.credentials);
        let store = CredentialStore::new(clients, deadline).with_kept(kept);
        let results = fetch::classes(&self.wanted, &store, &self.versions).await;
        let mut fetched = Vec::new();
        for (wanted, result) in self.wanted.iter().zip(results) {
            let name = &wanted.class.name;
            match result {
                Ok(files) => fetched.push((wanted.clone(), files)),
                Err(lines) => round
                    .failures
                    .extend(lines.iter().map(|line| format!("class {name:?}: {line}"))),
            }
        }
        // After a failure nothing is taken for granted: a role may have been removed and made again.
        if round.failures.is_empty() {
            self.credentials = store.keep();
        }
        self.write(fetched, &mut round);
        self.note(&mut round);
        round
    }

    /// Writes each directory that has changes, whatever becomes of the others.
    fn write(&mut self, fetched: Vec<(Wanted, ClassFiles)>, round: &mut Round) {
        let mut by_directory: BTreeMap<PathBuf, Vec<(Wanted, ClassFiles)>> = BTreeMap::new();
        for (wanted, files) in fetched {
            let directory = wanted.mount_path.clone();
            by_directory
                .entry(directory)
                .or_default()
                .push((wanted, files));
        }
        for (directory, classes) in by_directory {
            let files: Vec<File> = self
                .wanted
                .iter()
                .filter(|wanted| wanted.mount_path == directory)
                .flat_map(|wanted| wanted.class.files().cloned())
                .collect();
            let (done, changed) = split(classes);
            match directory::update(&directory, &files, changed) {
                Ok(different) => {
                    round.changed.extend(different);
                    for (name, versions) in done {
                        self.versions.0.insert(name.clone(), versions);
                        round.fresh.push(name);
                    }
                }
                Err(error) => {
                    if let UpdateError::Missing { .. } = error {
                        let here = self
                            .wanted
                            .iter()
                            .filter(|wanted| wanted.mount_path == directory);
                        for wanted in here {
                            self.versions.0.remove(&wanted.class.name);
                        }
                    }
                    round.failures.push(error.to_string());
                }
            }
        }
    }

    /// For the sidecar's next process, should this one end.
    fn note(&self, round: &mut Round) {
        if let Some(directory) = &self.state
            && let Err(error) = self.versions.write(directory)
        {
            round.failures.push(error.to_string());
        }
    }
}

type Done = Vec<(String, crate::versions::ClassVersions)>;

/// The versions of each class, and all contents by path.
fn split(classes: Vec<(Wanted, ClassFiles)>) -> (Done, BTreeMap<String, FileContents>) {
    let mut done = Vec::new();
    let mut changed = BTreeMap::new();
    for (wanted, files) in classes {
        done.push((wanted.class.name, files.versions));
        let contents = files.contents.into_iter();
        changed.extend(contents.map(|contents| (contents.file.path.to_string(), contents)));
    }
    (done, changed)
}
