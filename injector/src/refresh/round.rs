//! One refresh: asks AWS about the classes that are due, and writes each directory in which something changed, once.
//!
//! A class is all or nothing. If one of its objects fails, all of its files stay as they are, so the files that an app
//! reads always belong together. Other classes are not affected.
//!
//! The file of environment variables is written last, from the files on disk: a class that failed keeps its variables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::future::join_all;
use provider_class::PlannedRequest;

use super::directory::{ClassResult, DirectoryFiles, read};
use crate::aws::{Clients, Deadline, HttpClient};
use crate::classes::ClassToFetch;
use crate::credentials::{CredentialCache, CredentialStore};
use crate::environment::Environment;
use crate::fetch::class::{self, Failed, Fetched};
use crate::kubernetes::SecretApplier;
use crate::mount::{self, Old};
use crate::summary;
use crate::variables::SecretVariables;
use crate::versions::{ClassVersions, Versions};

/// What is kept from one refresh to the next: no values and no connections.
pub(super) struct Refresher {
    pub(super) wanted: Vec<ClassToFetch>,
    pub(super) variables: Option<SecretVariables>,
    pub(super) secrets: Option<SecretApplier>,
    pub(super) environment: Environment,
    pub(super) timeout: Duration,
    pub(super) state: Option<PathBuf>,
    pub(super) versions: Versions,
    pub(super) credentials: CredentialCache,
    /// The files that the last writes replaced.
    pub(super) old: Vec<Old>,
    /// Files that changed in a refresh that failed because of the environment variables or the Kubernetes Secrets.
    pub(super) unreported: BTreeMap<usize, BTreeSet<String>>,
}

impl Refresher {
    /// Are the versions of all of the class's files known?
    pub(super) fn is_known(&self, wanted: &ClassToFetch) -> bool {
        self.held(wanted).len() == wanted.plan.requests.len()
    }

    /// Refreshes the classes of these indexes.
    pub(super) async fn round(&mut self, due: &BTreeSet<usize>) -> BTreeMap<usize, ClassResult> {
        let mut fetched: BTreeMap<usize, Fetched> = BTreeMap::new();
        let mut results: BTreeMap<usize, ClassResult> = BTreeMap::new();
        for (index, answer) in self.fetch(due).await {
            match answer {
                Ok(class) => {
                    fetched.insert(index, class);
                }
                Err(lines) => {
                    results.insert(index, Err(lines));
                }
            }
        }
        let directories: BTreeSet<PathBuf> = fetched
            .keys()
            .map(|index| self.wanted[*index].mount_path.clone())
            .collect();
        for directory in directories {
            results.extend(self.write(&directory, &fetched));
        }
        // Before what may fail next: the files are there, and the next round must know all of them.
        self.note(fetched, &results);
        self.write_variables(&mut results);
        self.apply_secrets(&mut results).await;
        results
    }

    async fn fetch(
        &mut self,
        due: &BTreeSet<usize>,
    ) -> Vec<(usize, Result<Fetched, BTreeSet<String>>)> {
        let environment = &self.environment;
        let http = match HttpClient::new(environment) {
            Ok(http) => http,
            Err(error) => {
                let lines = BTreeSet::from([error.to_string()]);
                return due
                    .iter()
                    .map(|index| (*index, Err(lines.clone())))
                    .collect();
            }
        };
        let store = CredentialStore::with(
            Clients::new(http, self.environment.clone()),
            Deadline::after(self.timeout),
            std::mem::take(&mut self.credentials),
            SystemTime::now(),
        );
        let fetches = due.iter().map(|index| self.fetch_class(*index, &store));
        let outcomes = join_all(fetches).await;
        let mut refused = false;
        let mut results = Vec::with_capacity(outcomes.len());
        for (index, result) in due.iter().zip(outcomes) {
            refused |= result.as_ref().is_err_and(|failed| failed.refused);
            results.push((*index, result.map_err(|failed| failed.lines)));
        }
        // A service may have refused because the role has changed: the next round gets new credentials.
        if !refused {
            self.credentials = store.into_cache();
        }
        results
    }

    async fn fetch_class(&self, index: usize, store: &CredentialStore) -> Result<Fetched, Failed> {
        let wanted = &self.wanted[index];
        class::fetch(wanted, self.variables.as_ref(), store, &self.held(wanted)).await
    }

    /// The versions that a class's files hold. An object with a missing file counts as never fetched.
    fn held(&self, wanted: &ClassToFetch) -> ClassVersions {
        let Some(known) = self.versions.of(wanted) else {
            return ClassVersions::new();
        };
        let mut held = ClassVersions::new();
        let mut templates = wanted.class.templates.iter();
        if !templates.all(|template| wanted.mount_path.join(&template.file.path).is_file()) {
            return held;
        }
        for key in wanted.plan.requests.iter().map(PlannedRequest::key) {
            let Some(version) = known.get(&key) else {
                continue;
            };
            let mut files = version.files.iter();
            if files.all(|file| wanted.mount_path.join(file).is_file()) {
                held.insert(key, version.clone());
            }
        }
        held
    }

    /// Writes a directory if one of its files changed: the new contents, and the current contents of all other files.
    fn write(
        &mut self,
        directory: &Path,
        fetched: &BTreeMap<usize, Fetched>,
    ) -> BTreeMap<usize, ClassResult> {
        let files = DirectoryFiles::of(directory, &self.wanted, &self.versions, fetched);
        if let Err(collision) = files.check() {
            return files.failed(&collision.to_string());
        }
        let changed = match files.changed() {
            Ok(changed) => changed,
            Err(unreadable) => return files.failed(&unreadable.to_string()),
        };
        if changed.values().all(Vec::is_empty) {
            return changed
                .into_keys()
                .map(|index| (index, Ok(Vec::new())))
                .collect();
        }
        let contents = match files.contents() {
            Ok(contents) => contents,
            Err(unreadable) => return files.failed(&unreadable.to_string()),
        };
        let replaced =
            mount::remove_leftovers(directory).and_then(|()| mount::replace(directory, &contents));
        let error = match replaced {
            Ok(old) => {
                self.old.push(old);
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let mut results = BTreeMap::new();
        for (index, names) in changed {
            let result = match &error {
                Some(error) if !names.is_empty() => Err(BTreeSet::from([error.clone()])),
                _ => Ok(names),
            };
            results.insert(index, result);
        }
        results
    }

    /// Brings the file of all variables up to date. If that fails, the refresh of every class that has variables fails: the
    /// next one tries again, and reports the files that changed in this one.
    fn write_variables(&mut self, results: &mut BTreeMap<usize, ClassResult>) {
        let Some(variables) = &self.variables else {
            return;
        };
        let refreshed: Vec<(&usize, &mut ClassResult)> = results
            .iter_mut()
            .filter(|(index, result)| {
                result.is_ok() && variables.use_files_of(&self.wanted[**index])
            })
            .collect();
        if refreshed.is_empty() {
            return;
        }
        let failed = match replace_variables(variables) {
            Ok(old) => {
                self.old.extend(old);
                None
            }
            Err(error) => Some(error.lines().map(str::to_owned).collect::<BTreeSet<_>>()),
        };
        for (index, result) in refreshed {
            report(&mut self.unreported, *index, result, failed.as_ref());
        }
    }

    /// Makes sure that the Kubernetes Secrets of the classes are whole. If that fails, the refresh of the class fails: the next one
    /// tries again.
    async fn apply_secrets(&mut self, results: &mut BTreeMap<usize, ClassResult>) {
        let Some(secrets) = &self.secrets else {
            return;
        };
        for (index, result) in results {
            let wanted = &self.wanted[*index];
            if result.is_err() || wanted.class.secret_objects.is_empty() {
                continue;
            }
            let applied = secrets.apply_all(std::slice::from_ref(wanted)).await;
            let failed = applied.err();
            let failed = failed.map(|errors| errors.iter().map(ToString::to_string).collect());
            report(&mut self.unreported, *index, result, failed.as_ref());
        }
    }

    /// Removes the files that the last writes replaced.
    pub(super) fn remove_old(&mut self) {
        for old in self.old.drain(..) {
            if let Err(error) = old.remove() {
                tracing::warn!("old files: {error}; the next write will remove them");
            }
        }
    }

    /// Records and saves the versions that are on disk now.
    fn note(&mut self, fetched: BTreeMap<usize, Fetched>, results: &BTreeMap<usize, ClassResult>) {
        let before = self.versions.clone();
        for (index, class) in fetched {
            if results.get(&index).is_some_and(Result::is_ok) {
                self.versions.set(&self.wanted[index], class.versions);
            }
        }
        if self.versions == before {
            return;
        }
        self.log_new(&before);
        if let Some(directory) = &self.state
            && let Err(error) = self.versions.save(directory)
        {
            tracing::warn!("state: {error}");
        }
    }

    /// Logs the version of each object that has a new one.
    fn log_new(&self, before: &Versions) {
        let before: BTreeSet<String> = summary::lines(&self.wanted, before).into_iter().collect();
        for line in summary::lines(&self.wanted, &self.versions) {
            if !before.contains(&line) {
                tracing::info!("new version: {line}");
            }
        }
    }
}

/// Turns the result of a class into a failure, and keeps the names of its changed files; or adds those that earlier failures
/// have kept.
fn report(
    unreported: &mut BTreeMap<usize, BTreeSet<String>>,
    index: usize,
    result: &mut ClassResult,
    failed: Option<&BTreeSet<String>>,
) {
    let Ok(names) = result else { return };
    if let Some(lines) = failed {
        unreported.entry(index).or_default().extend(names.drain(..));
        *result = Err(lines.clone());
    } else if let Some(mut changed) = unreported.remove(&index) {
        changed.extend(names.drain(..));
        names.extend(changed);
    }
}

/// Writes the file of all variables if it changed. Returns what it replaced.
fn replace_variables(variables: &SecretVariables) -> Result<Option<Old>, String> {
    let new = variables.file().map_err(|error| error.to_string())?;
    let directory = variables.directory();
    let held = read(directory, &new.file).map_err(|unreadable| unreadable.to_string())?;
    if held.is_some_and(|old| old == new.bytes) {
        return Ok(None);
    }
    let replaced =
        mount::remove_leftovers(directory).and_then(|()| mount::replace(directory, &[new]));
    let old = replaced.map_err(|error| error.to_string())?;
    tracing::info!(
        variables = variables.count(),
        "environment variables changed"
    );
    Ok(Some(old))
}
