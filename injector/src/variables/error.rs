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
        "{}: {file:?} is not a file of the pod's classes: correct {} (aws-secrets-injector check prints the files)", .name.described(), origin(.name)
    )]
    UnknownFile {
        /// The variable.
        name: VariableName,
        /// The file.
        file: PathBuf,
    },
    /// Two values for one name.
    #[error(
        "{} is listed twice: remove one of them from {}", .0.described(), origin(.0)
    )]
    Twice(VariableName),
}

/// A variable whose file could have been made, but was not.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: nothing that was fetched became the file {file:?}: correct {}, or the names of keys and parameters in AWS", .name.described(), origin(.name)
)]
pub struct UnmadeFile {
    /// The variable.
    pub name: VariableName,
    /// The file.
    pub file: PathBuf,
}

/// A variable that cannot have the contents of its file.
#[derive(Debug, thiserror::Error)]
#[error("{}: the value of the file {file:?} {reason}", .name.described())]
pub struct UnwritableVariable {
    /// The variable.
    pub name: VariableName,
    /// The file.
    pub file: String,
    /// What its contents have.
    pub reason: UnwritableValue,
}

/// Where the file of a variable is named.
fn origin(name: &VariableName) -> &'static str {
    match name.secret_key() {
        Some(_) => "secretObjects of the class",
        None => "the annotation aws-secrets-injector.io/env",
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
