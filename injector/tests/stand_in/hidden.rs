//! The program file of the image has mode 0111: processes of a program that its user cannot read are hidden from the user's other
//! processes from `execve` on, before the program can hide itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::exec::{as_app, install};
use crate::support::{ENTRY, Stage};

const INJECTOR: &str = env!("CARGO_BIN_EXE_aws-secrets-injector");
const EXEC: &str = env!("CARGO_BIN_EXE_aws-secrets-exec");

/// A process after `execve`, before any call by which a program hides itself: `aws-secrets-exec` never makes one, and waits here
/// for its variables, which come out of a pipe.
struct Waiting {
    child: Child,
    _folder: TempDir,
}

impl Waiting {
    fn start(mode: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let of_folder = Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), of_folder).unwrap();
        let (program, pipe) = (folder.path().join("program"), folder.path().join("pipe"));
        install(EXEC, &program, mode);
        let mut make = Command::new("mkfifo");
        make.args(["--mode", "0666"]).arg(&pipe);
        assert!(make.status().unwrap().success());
        let mut command = Command::new(&program);
        command.arg("--env-file").arg(&pipe);
        command.args(["--", "true"]).stderr(Stdio::null());
        as_app(&mut command);
        // Returns once the program has been executed.
        let child = command.spawn().unwrap();
        Self {
            child,
            _folder: folder,
        }
    }

    /// Can another process of the same user do this with a file of the process?
    fn lets(&self, program: &str, file: &str) -> bool {
        let mut command = Command::new(program);
        command.arg(format!("/proc/{}/{file}", self.child.id()));
        as_app(&mut command);
        command.output().unwrap().status.success()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_program_that_its_user_cannot_read_is_hidden_before_it_hides_itself() {
    let files = [("readlink", "root"), ("ls", "fd"), ("cat", "environ")];
    let (readable, unreadable) = (Waiting::start(0o555), Waiting::start(0o111));
    for (program, file) in files {
        assert!(readable.lets(program, file), "{file}: nothing is tested");
        assert!(!unreadable.lets(program, file), "{file}");
    }
}

/// The files of the image: containers with `exec` get their program from an injector that its user cannot read.
#[tokio::test]
async fn fetch_copies_the_program_beside_one_that_its_user_cannot_read() {
    let stage = Stage::with_secret("one").await;
    let of_folder = Permissions::from_mode(0o777);
    fs::set_permissions(stage.path(""), of_folder).unwrap();
    let program = stage.path("aws-secrets-injector");
    install(INJECTOR, &program, 0o111);
    install(EXEC, &stage.path("aws-secrets-exec"), 0o555);
    let injected = stage.injected("fetch", &[("db", ENTRY)], "exec", &[("A", "a")]);
    let mut command = Command::new(program);
    command.env_clear().args(injected.get_args());
    for (name, value) in injected.get_envs() {
        command.env(name, value.unwrap());
    }
    as_app(&mut command);
    let outcome = stage.run(command).await;
    assert!(outcome.success, "{}", outcome.stderr);
    let copy = fs::metadata(stage.path("bin/aws-secrets-exec")).unwrap();
    assert_eq!(copy.permissions().mode() & 0o7777, 0o555);
}
