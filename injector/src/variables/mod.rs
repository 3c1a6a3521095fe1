//! Environment variables that hold the contents of files. The injector writes all of them to one file, which the kubelet or
//! [`exec`](mod@crate::exec) reads when a container starts.
//!
//! What goes in: what the webhook asks for, and the classes of the pod. What comes out: a file that has every variable, or a
//! line for each variable whose value it cannot have.
//!
//! | module | holds |
//! |---|---|
//! | `error` | why variables cannot be read or written |
//! | `program` | the copy of this program for containers that run `exec` |

mod error;
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use provider_class::{
    EnvMethod, File, FileContents, FilePath, PathTranslation, VariableName, Variables,
};
use zeroize::Zeroizing;

use crate::classes::ClassToFetch;

pub use error::{FileError, UnusableVariable, UnwritableVariable, VariablesError};
pub use program::{InstallError, install};

/// The variables of a pod, each with a file of the pod's classes.
#[derive(Clone, Debug)]
pub struct SecretVariables {
    method: EnvMethod,
    directory: PathBuf,
    program_directory: Option<PathBuf>,
    /// The variables of each file.
    by_file: BTreeMap<PathBuf, Vec<VariableName>>,
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
        let mut files = BTreeSet::new();
        for wanted in classes {
            let own = wanted.class.files();
            files.extend(own.map(|file| wanted.mount_path.join(&file.path)));
        }
        let mut by_file: BTreeMap<PathBuf, Vec<VariableName>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let mut unusable = Vec::new();
        for variable in given.variables {
            let (name, file) = (
                variable.name,
                Path::new(&variable.mount_path).join(variable.file),
            );
            if !names.insert(name.clone()) {
                unusable.push(UnusableVariable::Twice(name));
            } else if !files.contains(&file) {
                unusable.push(UnusableVariable::UnknownFile { name, file });
            } else {
                by_file.entry(file).or_default().push(name);
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

    /// The directory for the copy of this program, for the method `exec`.
    pub fn program_directory(&self) -> Option<&Path> {
        self.program_directory.as_deref()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_file.values().map(Vec::len).sum()
    }

    /// Does a variable have a file of this class?
    pub fn use_files_of(&self, wanted: &ClassToFetch) -> bool {
        let mut files = wanted.class.files();
        files.any(|file| {
            self.by_file
                .contains_key(&wanted.mount_path.join(&file.path))
        })
    }

    /// The variables that cannot have the new contents of a file.
    pub fn check(&self, mount_path: &Path, contents: &FileContents) -> Vec<UnwritableVariable> {
        let path = mount_path.join(&contents.file.path);
        let mut unwritable = Vec::new();
        for name in self.by_file.get(&path).into_iter().flatten() {
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
        for path in self.by_file.keys() {
            let value = fs::read(path).map_err(|error| FileError::Read {
                path: path.clone(),
                error,
            })?;
            values.push(Zeroizing::new(value));
        }
        let mut variables = Vec::with_capacity(self.count());
        for (names, value) in self.by_file.values().zip(&values) {
            variables.extend(names.iter().map(|name| (name, value.as_slice())));
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

    fn path_of(&self, name: &VariableName) -> String {
        let mut files = self.by_file.iter();
        let found = files.find(|(_, names)| names.contains(name));
        found
            .map(|(path, _)| path.display().to_string())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
