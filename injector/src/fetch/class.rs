//! One class: from AWS's answers to the contents of its files, all or none.

use std::collections::BTreeSet;

use provider_class::{Class, FileContents};

use super::answers::{Answer, Answered, ValueError};
use super::failover;
use super::region::Sender;
use crate::classes::ClassToFetch;
use crate::credentials::{CredentialStore, Identity};
use crate::variables::SecretVariables;
use crate::versions::ClassVersions;

/// A class as AWS has it.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Contents of the files whose values were fetched.
    pub(crate) files: Vec<FileContents>,
    /// The version of every object.
    pub(crate) versions: ClassVersions,
}

/// A class that could not be fetched.
#[derive(Debug)]
pub(crate) struct Failed {
    /// A line for each object.
    pub(crate) lines: BTreeSet<String>,
    /// Did a service refuse? Then new credentials may help.
    pub(crate) refused: bool,
}

/// Fetches what is not `held` of a class, and makes the contents of its files.
pub(crate) async fn fetch(
    wanted: &ClassToFetch,
    variables: Option<&SecretVariables>,
    store: &CredentialStore,
    held: &ClassVersions,
) -> Result<Fetched, Failed> {
    let class = &wanted.class;
    let identity = Identity {
        source: class.credentials,
        assume_role: class.assume_role.clone(),
    };
    let sender = Sender {
        store,
        identity: &identity,
    };
    let answers = failover::fetch(&wanted.plan, held, &sender).await;
    let mut fetched = Fetched::default();
    let mut lines = BTreeSet::new();
    let mut refused = false;
    for (_, answered) in answers.iter() {
        match &answered.result {
            Ok(answer) => lines.extend(take(class, answered, answer, held, &mut fetched)),
            Err(error) => {
                refused |= error.is_refused();
                lines.extend(lines_of(class, answered, error));
            }
        }
    }
    if let Some(variables) = variables {
        lines.extend(unwritable(wanted, variables, &fetched.files));
    }
    if lines.is_empty() {
        Ok(fetched)
    } else {
        Err(Failed { lines, refused })
    }
}

/// Adds an answer's version and files to those of its class. Returns the problems of values that do not fit.
fn take(
    class: &Class,
    answered: &Answered,
    answer: &Answer,
    held: &ClassVersions,
    fetched: &mut Fetched,
) -> Vec<String> {
    let key = answered.planned.key();
    let mut problems = Vec::new();
    match answer {
        Answer::Unchanged => {
            if let Some(version) = held.get(&key) {
                fetched.versions.insert(key, version.clone());
            }
        }
        Answer::Fetched { value, version } => {
            fetched.versions.insert(key, version.clone());
            for index in &answered.planned.objects {
                match class.objects[*index].contents(value) {
                    Ok(contents) => fetched.files.extend(contents),
                    Err(errors) => problems.extend(errors.iter().map(ToString::to_string)),
                }
            }
        }
    }
    problems
}

/// A line for each variable that cannot have the new contents of its file.
fn unwritable(
    wanted: &ClassToFetch,
    variables: &SecretVariables,
    files: &[FileContents],
) -> Vec<String> {
    let mut lines = Vec::new();
    for contents in files {
        for unwritable in variables.check(&wanted.mount_path, contents) {
            let mut objects = wanted.class.objects.iter();
            let object = objects.find(|object| object.files().any(|file| *file == contents.file));
            lines.push(match object {
                Some(object) => format!(
                    "objects[{}] {:?}: {unwritable}",
                    object.index,
                    object.request.to_string()
                ),
                None => unwritable.to_string(),
            });
        }
    }
    lines
}

/// A line for each object that a failed request was for.
fn lines_of(class: &Class, answered: &Answered, error: &ValueError) -> Vec<String> {
    // Without credentials all objects fail alike: one line is enough.
    if error.is_about_credentials() {
        return vec![error.to_string()];
    }
    let name = answered.planned.request.to_string();
    let objects = answered.planned.objects.iter();
    objects
        .map(|index| format!("objects[{}] {name:?}: {error}", class.objects[*index].index))
        .collect()
}
