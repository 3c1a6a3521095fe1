//! One refresh: asks AWS about the classes that are due, and writes each directory in which something changed, once.
//!
//! A class is all or nothing: where one of its objects fails, all of its files stay as they are, so that what an app
//! reads belongs together. Other classes go on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::future::join_all;
use provider_class::{File, FileContents};
use zeroize::Zeroizing;

use crate::aws::{Clients, Deadline, HttpClient};
use crate::classes::Wanted;
use crate::credentials::{CredentialCache, CredentialStore};
use crate::environment::Environment;
use crate::fetch::class::{self, Failed, Fetched};
use crate::mount::{self, Old};
use crate::versions::{ClassVersions, Versions};

/// What lives from one refresh to the next: no values, no connections.
pub(super) struct Refresher {
    pub(super) wanted: Vec<Wanted>,
    pub(super) environment: Environment,
    pub(super) timeout: Duration,
    pub(super) state: Option<PathBuf>,
    pub(super) versions: Versions,
    pub(super) credentials: CredentialCache,
    /// What the last writes replaced.
    pub(super) old: Vec<Old>,
}

/// What became of a class: the names of its files that changed, or the reasons why none did.
pub(super) type ClassResult = Result<Vec<String>, BTreeSet<String>>;

impl Refresher {
    /// Is every version known that the class's files hold?
    pub(super) fn is_known(&self, wanted: &Wanted) -> bool {
        self.held(wanted).len() == wanted.plan.requests.len()
    }

    /// Refreshes the classes of these indexes.
    pub(super) async fn round(&mut self, due: &BTreeSet<usize>) -> BTreeMap<usize, ClassResult> {
        let mut fetched: BTreeMap<usize, Fetched> = BTreeMap::new();
        let mut results: BTreeMap<usize, ClassResult> = BTreeMap::new();
        for (index, answer) in self.fetch(due).await {
            match answer {
                Ok(class) => drop(fetched.insert(index, class)),
                Err(lines) => drop(results.insert(index, Err(lines))),
            }
        }
        let directories: BTreeSet<PathBuf> = fetched
            .keys()
            .map(|index| self.wanted[*index].mount_path.clone())
            .collect();
        for directory in directories {
            results.extend(self.write(&directory, &fetched));
        }
        self.note(fetched, &results);
        results
    }

    async fn fetch(
        &mut self,
        due: &BTreeSet<usize>,
    ) -> Vec<(usize, Result<Fetched, BTreeSet<String>>)> {
        let http = match HttpClient::new(self.environment.ca_bundle.as_deref()) {
            Ok(http) => http,
            Err(error) => {
                let failed = |index: &usize| (*index, Err([error.to_string()].into()));
                return due.iter().map(failed).collect();
            }
        };
        let store = CredentialStore::with(
            Clients::new(http, self.environment.clone()),
            Deadline::after(self.timeout),
            std::mem::take(&mut self.credentials),
            SystemTime::now(),
        );
        let ask = |index: &usize| {
            let (index, store) = (*index, &store);
            let wanted = &self.wanted[index];
            let held = self.held(wanted);
            async move {
                let answer = class::fetch(&wanted.class, &wanted.plan, store, &held).await;
                (index, answer)
            }
        };
        let answers: Vec<(usize, Result<Fetched, Failed>)> = join_all(due.iter().map(ask)).await;
        let refused = |failed: &Failed| failed.refused;
        if !answers
            .iter()
            .any(|(_, answer)| answer.as_ref().is_err_and(refused))
        {
            self.credentials = store.into_cache();
        }
        answers
            .into_iter()
            .map(|(index, answer)| (index, answer.map_err(|failed| failed.lines)))
            .collect()
    }

    /// The versions that a class's files hold; an object with a missing file is fetched as if for the first time.
    fn held(&self, wanted: &Wanted) -> ClassVersions {
        let Some(known) = self.versions.of(wanted) else {
            return ClassVersions::new();
        };
        let mut held = ClassVersions::new();
        for planned in &wanted.plan.requests {
            let request = planned.request.to_string();
            let mut objects = planned.objects.iter();
            let whole = objects.all(|object| {
                let mut files = wanted.class.objects[*object].files();
                files.all(|file| wanted.mount_path.join(&file.path).is_file())
            });
            if let (true, Some(version)) = (whole, known.get(&request)) {
                held.insert(request, version.clone());
            }
        }
        held
    }

    /// Writes a directory, where one of its files changed: the new contents, and what is there of all others.
    fn write(
        &mut self,
        directory: &Path,
        fetched: &BTreeMap<usize, Fetched>,
    ) -> BTreeMap<usize, ClassResult> {
        let mut files: Vec<FileContents> = Vec::new();
        let mut changed: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let here = |(_, wanted): &(usize, &Wanted)| wanted.mount_path == directory;
        for (index, wanted) in self.wanted.iter().enumerate().filter(here) {
            let new = fetched.get(&index).map_or(&[][..], |class| &class.files);
            if fetched.contains_key(&index) {
                let differs = |contents: &&FileContents| {
                    read(directory, &contents.file).is_none_or(|old| old != contents.bytes)
                };
                let names = new.iter().filter(differs);
                changed.insert(index, names.map(|new| new.file.path.to_string()).collect());
            }
            files.extend(new.iter().cloned());
            let is_new = |file: &File| new.iter().any(|contents| contents.file.path == file.path);
            let others = wanted.class.files().filter(|file| !is_new(file));
            files.extend(others.filter_map(|file| {
                let bytes = read(directory, file)?;
                Some(FileContents {
                    file: file.clone(),
                    bytes,
                })
            }));
        }
        if changed.values().all(Vec::is_empty) {
            return changed
                .into_keys()
                .map(|index| (index, Ok(Vec::new())))
                .collect();
        }
        let written = match mount::replace(directory, &files) {
            Ok(old) => {
                self.old.push(old);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        };
        let result = |(index, names): (usize, Vec<String>)| match &written {
            Err(error) if !names.is_empty() => (index, Err([error.clone()].into())),
            _ => (index, Ok(names)),
        };
        changed.into_iter().map(result).collect()
    }

    /// Removes what the last writes replaced.
    pub(super) fn remove_old(&mut self) {
        for old in self.old.drain(..) {
            if let Err(error) = old.remove() {
                tracing::warn!("old files: {error}; the next write removes them");
            }
        }
    }

    /// Notes the versions of what is on disk now.
    fn note(&mut self, fetched: BTreeMap<usize, Fetched>, results: &BTreeMap<usize, ClassResult>) {
        let before = self.versions.clone();
        for (index, class) in fetched {
            if results.get(&index).is_some_and(Result::is_ok) {
                self.versions.set(&self.wanted[index], class.versions);
            }
        }
        if let (Some(directory), false) = (&self.state, self.versions == before)
            && let Err(error) = self.versions.save(directory)
        {
            tracing::warn!("state: {error}");
        }
    }
}

/// What a file holds, if it is there.
fn read(directory: &Path, file: &File) -> Option<Zeroizing<Vec<u8>>> {
    std::fs::read(directory.join(&file.path))
        .ok()
        .map(Zeroizing::new)
}
