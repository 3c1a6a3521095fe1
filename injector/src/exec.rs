//! `aws-secrets-exec`: adds the variables that `fetch` wrote to the container's own, and becomes the container's program.
//!
//! It is a program of its own, because it is copied into pods: without the AWS SDK it is small.
//!
//! Nothing of this program may remain, so nothing is set up before it: no log, no threads, no process settings. The standard
//! library resets what Rust's start changes (the disposition of SIGPIPE), and `execve` resets the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use clap::Parser;
use provider_class::VariableName;
use zeroize::Zeroizing;

/// Exit status of shells if a program is not found, and if it cannot be run.
///
/// Source: <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02>.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// Exit status if the program was not tried.
const FAILURE: u8 = 1;

/// Becomes another program, with the environment variables that `aws-secrets-injector fetch` wrote besides its own.
#[derive(Debug, Parser)]
#[command(name = "aws-secrets-exec", version, max_term_width = 100)]
pub struct Exec {
    /// The file of the variables.
    #[arg(long, value_name = "FILE")]
    pub env_file: PathBuf,

    /// A variable that keeps the value it has in the container; can be given several times.
    #[arg(long, value_name = "NAME")]
    pub except: Vec<VariableName>,

    /// A variable that gets the value of another one in the file, which holds keys of Kubernetes Secrets under names that no
    /// container has as variables; can be given several times.
    #[arg(long, value_name = "NAME=KEY", value_parser = name_and_key)]
    pub set: Vec<(String, VariableName)>,

    /// The same for a key that may be missing: then the variable is not set.
    #[arg(long, value_name = "NAME=KEY", value_parser = name_and_key)]
    pub set_optional: Vec<(String, VariableName)>,

    /// The program, looked up in PATH, and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,
}

/// The name is the container's own, which Kubernetes has checked.
fn name_and_key(text: &str) -> Result<(String, VariableName), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, key) = parts.ok_or("write NAME=KEY")?;
    let key = key.parse::<VariableName>();
    Ok((name.to_owned(), key.map_err(|error| error.to_string())?))
}

/// Why the program was not started.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The file with the variables cannot be read.
    #[error("could not read the environment variables from {}: {error}; the container must mount them as the webhook sets it", .file.display())]
    Variables {
        /// The file.
        file: PathBuf,
        /// The kernel's error.
        error: io::Error,
    },
    /// `fetch` did not write it.
    #[error("{} does not hold environment variables as fetch writes them: recreate the pod", .0.display())]
    Malformed(PathBuf),
    /// `fetch` wrote other keys.
    #[error("variable {name}: {} does not have the {}: recreate the pod", .file.display(), .key.described())]
    Missing {
        /// The variable.
        name: String,
        /// What it gets.
        key: VariableName,
        /// The file.
        file: PathBuf,
    },
    /// The program cannot be run.
    #[error("could not run {program:?}: {error}; {}", remedy(.error))]
    Program {
        /// The program.
        program: OsString,
        /// The kernel's error.
        error: io::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong => {
            "its arguments and environment variables are too long together: read large values from their files instead"
        }
        io::ErrorKind::PermissionDenied => "the container's user must be allowed to execute it",
        _ => "the container's command must name a program of its image",
    }
}

impl ExecError {
    /// The exit status, as of a shell.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Program { error, .. } if error.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Self::Program { .. } => NOT_EXECUTABLE,
            Self::Variables { .. } | Self::Malformed(_) | Self::Missing { .. } => FAILURE,
        }
    }
}

/// Replaces this process with the program. Returns only if that fails.
pub fn exec(args: &Exec) -> ExecError {
    match prepare(args) {
        Ok(mut command) => ExecError::Program {
            program: command.get_program().to_owned(),
            error: command.exec(),
        },
        Err(error) => error,
    }
}

fn prepare(args: &Exec) -> Result<Command, ExecError> {
    let text = fs::read(&args.env_file).map_err(|error| ExecError::Variables {
        file: args.env_file.clone(),
        error,
    })?;
    let text = Zeroizing::new(text);
    let variables = variables(&text).ok_or_else(|| ExecError::Malformed(args.env_file.clone()))?;
    let except: BTreeSet<&VariableName> = args.except.iter().collect();
    let [program, arguments @ ..] = args.command.as_slice() else {
        unreachable!("the command line requires a program")
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in &variables {
        if !except.contains(name) && !name.is_reserved() {
            command.env(name.as_str(), value);
        }
    }
    let values: BTreeMap<&VariableName, &OsStr> = variables
        .iter()
        .map(|(name, value)| (name, *value))
        .collect();
    for (name, key) in &args.set {
        let value = values.get(key).ok_or_else(|| ExecError::Missing {
            name: name.clone(),
            key: key.clone(),
            file: args.env_file.clone(),
        })?;
        command.env(name, value);
    }
    for (name, key) in &args.set_optional {
        if let Some(value) = values.get(key) {
            command.env(name, value);
        }
    }
    Ok(command)
}

/// The variables of a file; nothing if it is not of the form that `fetch` writes.
fn variables(text: &[u8]) -> Option<Vec<(VariableName, &OsStr)>> {
    text.split_inclusive(|byte| *byte == 0)
        .map(assignment)
        .collect()
}

/// Name and value of `NAME=value` with a null byte at its end.
fn assignment(text: &[u8]) -> Option<(VariableName, &OsStr)> {
    let text = text.strip_suffix(b"\0")?;
    let end = text.iter().position(|byte| *byte == b'=')?;
    let name = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    Some((name, OsStr::from_bytes(&text[end + 1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_cut_off_is_refused() {
        for text in [&b"A=1\0B=2"[..], b"A\0", b"#=x\0", b"\0", b"A=1\0\0"] {
            assert_eq!(variables(text), None, "{text:?}");
        }
    }

    #[test]
    fn variables_that_are_too_long_together_are_named_as_the_cause() {
        let error = ExecError::Program {
            program: "app".into(),
            error: io::ErrorKind::ArgumentListTooLong.into(),
        };
        assert_eq!(error.exit_status(), 126);
        assert!(error.to_string().contains("from their files"), "{error}");
    }
}
