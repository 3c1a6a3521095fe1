//! Environment variables that hold the contents of files. The injector writes all of them to one file, which the kubelet or
//! [`exec`](mod@crate::exec) reads when a container starts.
//!
//! What goes in: what the webhook asks for, and the classes of the pod. What comes out: a file that has every variable, or a
//! line for each variable whose value it cannot have.
//!
//! | module | holds |
//! |---|---|
//! | `error` | why variables cannot be read or written |
//! | `program` | the copy of `aws-secrets-exec` for containers |

mod error;
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use provider_class::{
    EnvMethod, File, FileContents, FilePath, PathTranslation, Presence, VariableName, Variables,
};
use zeroize::Zeroizing;

use crate::classes::ClassToFetch;
use crate::mount;

pub use error::{FileError, UnmadeFile, UnusableVariable, UnwritableVariable, VariablesError};
pub use program::{InstallError, install};

/// The variables of a pod, each with a file of the pod's classes.
#[derive(Clone, Debug)]
pub struct SecretVariables {
    method: EnvMethod,
    directory: PathBuf,
    program_directory: Option<PathBuf>,
    /// The variables of each file.
    by_file: BTreeMap<PathBuf, FileVariables>,
}

/// The variables of one file.
#[derive(Clone, Debug)]
struct FileVariables {
    /// Each with whether it may be missing.
    names: Vec<(VariableName, bool)>,
    /// May the class leave out the file? Then its variables are missing, too.
    is_optional: bool,
    /// The class that makes the file, if no other class could.
    class: Option<String>,
}

impl SecretVariables {
    /// Reads what the webhook asks for.
    pub fn from_json(json: &str, classes: &[ClassToFetch]) -> Result<Self, VariablesError> {
        let given = Variables::from_json(json).map_err(VariablesError::Json)?;
        let program_directory = match (given.method, given.program_directory) {
            (EnvMethod::Exec, None) => return Err(VariablesError::NoProgramDirectory),
            (EnvMethod::Exec, Some(directory)) => Some(directory.into()),
            (EnvMethod::Kubelet, _) => None,
        };
        let mut by_file: BTreeMap<PathBuf, FileVariables> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let mut unusable = Vec::new();
        for variable in given.variables {
            let (name, file) = (
                variable.name,
                Path::new(&variable.mount_path).join(variable.file),
            );
            if !names.insert(name.clone()) {
                unusable.push(UnusableVariable::Twice(name));
            } else if let Some(variables) = FileVariables::of(classes, &file) {
                let variables = by_file.entry(file).or_insert(variables);
                variables.names.push((name, variable.is_optional));
            } else {
                unusable.push(UnusableVariable::UnknownFile { name, file });
            }
        }
        if !unusable.is_empty() {
            return Err(VariablesError::Unusable(unusable));
        }
        Ok(Self {
            method: given.method,
            directory: given.directory.into(),
            program_directory,
            by_file,
        })
    }

    /// The directory for the file of all variables.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory for the copy of `aws-secrets-exec`, for the method `exec`.
    pub fn program_directory(&self) -> Option<&Path> {
        self.program_directory.as_deref()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let files = self.by_file.values();
        files.map(|variables| variables.names.len()).sum()
    }

    /// Does a variable have a file of this class?
    pub fn use_files_of(&self, wanted: &ClassToFetch) -> bool {
        let mut files = self.by_file.keys();
        files.any(|file| presence_in(wanted, file).is_some())
    }

    /// The variables whose files a class should have made, but has not.
    pub fn unmade(&self, wanted: &ClassToFetch, files: &BTreeSet<&str>) -> Vec<String> {
        let mut unmade = Vec::new();
        for (path, variables) in &self.by_file {
            let is_of_class = variables.class.as_ref() == Some(&wanted.class.name);
            let relative = path.strip_prefix(&wanted.mount_path).ok();
            let is_there = relative
                .and_then(Path::to_str)
                .is_none_or(|file| files.contains(file));
            if !is_of_class || variables.is_optional || is_there {
                continue;
            }
            for (name, is_optional) in &variables.names {
                let (name, file) = (name.clone(), path.clone());
                unmade.extend((!is_optional).then(|| UnmadeFile { name, file }.to_string()));
            }
        }
        unmade
    }

    /// The variables that cannot have the new contents of a file.
    pub fn check(&self, mount_path: &Path, contents: &FileContents) -> Vec<UnwritableVariable> {
        let path = mount_path.join(&contents.file.path);
        let mut unwritable = Vec::new();
        let variables = self.by_file.get(&path);
        for (name, is_optional) in variables.iter().flat_map(|variables| &variables.names) {
            if self.leaves_out(*is_optional, &contents.bytes) {
                continue;
            }
            if let Err(reason) = self.method.check(name, &contents.bytes) {
                let file = contents.file.path.to_string();
                unwritable.push(UnwritableVariable {
                    name: name.clone(),
                    file,
                    reason,
                });
            }
        }
        unwritable
    }

    /// The file of all variables, with the contents that their files have on disk.
    pub fn file(&self) -> Result<FileContents, FileError> {
        let mut values = Vec::with_capacity(self.by_file.len());
        for (path, variables) in &self.by_file {
            match fs::read(path) {
                Ok(value) => values.push((variables, Zeroizing::new(value))),
                Err(error) if variables.may_be_missing() && mount::is_no_file(&error) => {}
                Err(error) => {
                    let path = path.clone();
                    return Err(FileError::Read { path, error });
                }
            }
        }
        let mut variables = Vec::with_capacity(self.count());
        for (of_file, value) in &values {
            let names = of_file.names.iter();
            let names = names.filter(|(_, is_optional)| !self.leaves_out(*is_optional, value));
            variables.extend(names.map(|(name, _)| (name, value.as_slice())));
        }
        let bytes = self.method.file_text(&variables).map_err(|unwritable| {
            let unwritable = unwritable.into_iter();
            FileError::Unwritable(
                unwritable
                    .map(|(name, reason)| UnwritableVariable {
                        name: name.clone(),
                        file: self.path_of(name),
                        reason,
                    })
                    .collect(),
            )
        })?;
        let path = FilePath::translate(self.method.file_name(), PathTranslation::Off)
            .unwrap_or_else(|_| unreachable!("the names of both files are paths"));
        let file = File {
            path,
            mode: self.method.file_mode(),
        };
        Ok(FileContents { file, bytes })
    }

    /// For the kubelet an empty value is a missing one, which an optional variable may be.
    fn leaves_out(&self, is_optional: bool, value: &[u8]) -> bool {
        is_optional && value.is_empty() && self.method == EnvMethod::Kubelet
    }

    fn path_of(&self, name: &VariableName) -> String {
        let mut files = self.by_file.iter();
        let found =
            files.find(|(_, variables)| variables.names.iter().any(|(other, _)| other == name));
        found
            .map(|(path, _)| path.display().to_string())
            .unwrap_or_default()
    }
}

impl FileVariables {
    fn may_be_missing(&self) -> bool {
        self.is_optional || self.names.iter().all(|(_, is_optional)| *is_optional)
    }

    /// No variables yet, of a file that one of the classes makes; `None` if none of them does.
    fn of(classes: &[ClassToFetch], file: &Path) -> Option<Self> {
        let makers = classes
            .iter()
            .filter_map(|wanted| Some((presence_in(wanted, file)?, &wanted.class.name)));
        let makers: Vec<_> = makers.collect();
        let surest = makers.iter().map(|(presence, _)| *presence).min()?;
        let class = match makers.as_slice() {
            [(_, class)] => Some((*class).clone()),
            _ => None,
        };
        Some(Self {
            names: Vec::new(),
            is_optional: surest == Presence::Optional,
            class,
        })
    }
}

/// Is the file there after each fetch of a class? `None` if the class never makes it.
fn presence_in(wanted: &ClassToFetch, file: &Path) -> Option<Presence> {
    let path = file.strip_prefix(&wanted.mount_path).ok()?;
    wanted.class.presence(path.to_str()?)
}

#[cfg(test)]
mod tests;
