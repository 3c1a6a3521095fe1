//! A copy of this program for the containers that run `exec`: their images do not have it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use provider_class::PROGRAM_FILE;

/// Every user may run it, and nobody may write it.
const PROGRAM_MODE: u32 = 0o555;
/// What the name of the readable copy in the image ends with: its user may execute this program, but not read it.
const READABLE: &str = "-exec";
/// The copy before it is complete.
const NEW_PROGRAM_FILE: &str = "aws-secrets-injector.new";

/// Why the program could not be copied.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not copy this program to {}: {error}; the directory must be a writable volume with room for the program", .directory.display()
)]
pub struct InstallError {
    directory: PathBuf,
    error: io::Error,
}

/// Copies this program to a directory from which other containers run it. Replaces an earlier copy in one step.
pub fn install(directory: &Path) -> Result<(), InstallError> {
    copy(directory).map_err(|error| InstallError {
        directory: directory.to_owned(),
        error,
    })
}

fn copy(directory: &Path) -> io::Result<()> {
    let new = directory.join(NEW_PROGRAM_FILE);
    fs::create_dir_all(directory)?;
    // A container that was killed may have left a part of it, which nobody may write.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::copy(readable(env::current_exe()?), &new)?;
    fs::set_permissions(&new, Permissions::from_mode(PROGRAM_MODE))?;
    fs::rename(&new, directory.join(PROGRAM_FILE))
}

/// The copy beside the program that its user can read, or else the program.
fn readable(program: PathBuf) -> PathBuf {
    let mut name = OsString::from(&program);
    name.push(READABLE);
    let copy = PathBuf::from(name);
    if copy.exists() { copy } else { program }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_may_run_the_copy_and_a_second_one_replaces_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let directory = folder.path().join("bin");
        for _ in 0..2 {
            install(&directory).unwrap();
            // As a kill leaves it.
            fs::write(directory.join(NEW_PROGRAM_FILE), "half").unwrap();
            let unwritable = Permissions::from_mode(PROGRAM_MODE);
            fs::set_permissions(directory.join(NEW_PROGRAM_FILE), unwritable).unwrap();
        }
        install(&directory).unwrap();
        let program = directory.join(PROGRAM_FILE);
        assert_eq!(
            fs::metadata(&program).unwrap().permissions().mode() & 0o7777,
            PROGRAM_MODE
        );
        assert_eq!(
            fs::metadata(&program).unwrap().len(),
            fs::metadata(env::current_exe().unwrap()).unwrap().len()
        );
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    }

    #[test]
    fn the_readable_copy_beside_the_program_is_the_one_that_is_copied() {
        let folder = tempfile::TempDir::new().unwrap();
        let program = folder.path().join("aws-secrets-injector");
        assert_eq!(readable(program.clone()), program);
        let copy = folder.path().join("aws-secrets-injector-exec");
        fs::write(&copy, "").unwrap();
        assert_eq!(readable(program), copy);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = install(&file).unwrap_err().to_string();
        let start = format!("could not copy this program to {}: ", file.display());
        assert!(error.starts_with(&start), "{error}");
    }
}
