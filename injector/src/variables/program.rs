//! A copy of `aws-secrets-exec` for the containers that it starts: their images do not have it.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use provider_class::PROGRAM_FILE;

/// Every user may run it, and nobody may write it.
const PROGRAM_MODE: u32 = 0o555;
/// The copy before it is complete.
const NEW_PROGRAM_FILE: &str = "aws-secrets-exec.new";

/// Why the program could not be copied.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not copy aws-secrets-exec to {}: {error}; it must be beside this program, and the directory must be a writable volume with room for it", .directory.display()
)]
pub struct InstallError {
    directory: PathBuf,
    error: io::Error,
}

/// Copies the program beside this one to a directory from which other containers run it. Replaces an earlier copy in one step.
pub fn install(directory: &Path) -> Result<(), InstallError> {
    let copied =
        env::current_exe().and_then(|own| copy(&own.with_file_name(PROGRAM_FILE), directory));
    copied.map_err(|error| InstallError {
        directory: directory.to_owned(),
        error,
    })
}

fn copy(program: &Path, directory: &Path) -> io::Result<()> {
    let new = directory.join(NEW_PROGRAM_FILE);
    fs::create_dir_all(directory)?;
    // A container that was killed may have left a part of it, which nobody may write.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::copy(program, &new)?;
    fs::set_permissions(&new, Permissions::from_mode(PROGRAM_MODE))?;
    fs::rename(&new, directory.join(PROGRAM_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_may_run_the_copy_and_a_second_one_replaces_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let directory = folder.path().join("bin");
        let original = env::current_exe().unwrap();
        for _ in 0..2 {
            copy(&original, &directory).unwrap();
            // As a kill leaves it.
            fs::write(directory.join(NEW_PROGRAM_FILE), "half").unwrap();
            let unwritable = Permissions::from_mode(PROGRAM_MODE);
            fs::set_permissions(directory.join(NEW_PROGRAM_FILE), unwritable).unwrap();
        }
        copy(&original, &directory).unwrap();
        let program = directory.join(PROGRAM_FILE);
        assert_eq!(
            fs::metadata(&program).unwrap().permissions().mode() & 0o7777,
            PROGRAM_MODE
        );
        assert_eq!(
            fs::metadata(&program).unwrap().len(),
            fs::metadata(original).unwrap().len()
        );
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    }
}
