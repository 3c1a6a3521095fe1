//! Why variables cannot be read or written. No message has a value.

use std::io;
use std::path::PathBuf;

use provider_class::{UnwritableValue, VARIABLES_VARIABLE, VariableName};

use crate::classes::lines;

/// Why the variables that the webhook asks for cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VariablesError {
    /// The webhook did not write it.
    #[error("environment variable {VARIABLES_VARIABLE} is not a list of variables: {0}")]
    Json(serde_json::Error),
    /// The method is `exec`, and the containers need the program.
    #[error(
        "environment variable {VARIABLES_VARIABLE} has method \"exec\" without programDirectory"
    )]
    NoProgramDirectory,
    /// Variables that no file can be found for.
    #[error("{}", lines(.0))]
    Unusable(Vec<UnusableVariable>),
}

/// Why a variable cannot be written, whatever its value.
#[derive(Debug, thiserror::Error)]
pub enum UnusableVariable {
    /// No class writes its file.
    #[error(
        "variable {name}: {} is not a file of the pod's classes: correct the annotation aws-secrets-injector.io/env (aws-secrets-injector check prints the files)", .file.display()
    )]
    UnknownFile {
        /// The variable.
        name: VariableName,
        /// The file.
        file: PathBuf,
    },
    /// Two values for one name.
    #[error(
        "variable {0} is listed twice: remove one of them from the annotation aws-secrets-injector.io/env"
    )]
    Twice(VariableName),
}

/// A variable whose file could have been made, but was not.
#[derive(Debug, thiserror::Error)]
#[error(
    "variable {name}: nothing that was fetched became the file {}: correct the annotation aws-secrets-injector.io/env, or the names of keys and parameters in AWS", .file.display()
)]
pub struct UnmadeFile {
    /// The variable.
    pub name: VariableName,
    /// The file.
    pub file: PathBuf,
}

/// A variable that cannot have the contents of its file.
#[derive(Debug, thiserror::Error)]
#[error("{}: the value of the file {file:?} {reason}", described(.name))]
pub struct UnwritableVariable {
    /// The variable.
    pub name: VariableName,
    /// The file.
    pub file: String,
    /// What its contents have.
    pub reason: UnwritableValue,
}

/// A variable, or the key of a Secret that becomes one.
fn described(name: &VariableName) -> String {
    match name.secret_key() {
        Some((secret, key)) => format!("key {key:?} of the Secret {secret:?}"),
        None => format!("variable {name}"),
    }
}

/// Why the file of all variables cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file of a class that should be on disk.
    #[error("could not read {} for the environment variables: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        error: io::Error,
    },
    /// Files that variables cannot have as their values.
    #[error("{}", lines(.0))]
    Unwritable(Vec<UnwritableVariable>),
}
