//! `exec`: the program that it becomes is the one that the container would have run, with some more variables.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with the program and a file of variables, both readable for every user.
struct Container {
    folder: TempDir,
}

impl Container {
    fn with(variables: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("environ"), variables).unwrap();
        let program = folder.path().join("aws-secrets-exec");
        install(env!("CARGO_BIN_EXE_aws-secrets-exec"), &program, 0o755);
        Self { folder }
    }

    /// `exec` with these options, as the user of an app.
    fn exec(&self, options: &[&str]) -> Command {
        let mut command = Command::new(self.folder.path().join("aws-secrets-exec"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .arg("--env-file")
            .arg(self.folder.path().join("environ"))
            .args(options)
            .arg("--");
        as_app(&mut command);
        command
    }
}

/// Copies a program. By another process: if this one had it open for writing, the child that another test starts at the same time
/// would have it open, too, and the kernel would not run it.
pub(crate) fn install(program: &str, path: &Path, mode: u32) {
    let mut copy = Command::new("cp");
    assert!(copy.arg(program).arg(path).status().unwrap().success());
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs a command as a user other than root, if this test can.
pub(crate) fn as_app(command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        command.uid(65532).gid(65532);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_program_has_its_own_environment_and_the_variables() {
    let container = Container::with(b"A=it's\r\n=\xff\0B=\0db.password=p\0OWN=ours\0SET=ours\0");
    let mut command = container.exec(&[
        "--except",
        "OWN",
        "--except",
        "UNKNOWN",
        "--set-optional=PASSWORD=db.password",
        "--set-optional=MISSING=db.user",
    ]);
    command
        .env("OWN", "the container's")
        .env("SET", "the container's")
        // Options of this program, for an app with settings of the same name.
        .env("LOG_LEVEL", "verbose")
        .env("FETCH_TIMEOUT", "soon")
        .args(["env", "-0"]);
    let printed = output(&mut command).stdout;
    let mut variables: Vec<&[u8]> = printed.split(|byte| *byte == 0).collect();
    variables.sort();
    assert_eq!(
        variables,
        [
            &b""[..],
            b"A=it's\r\n=\xff",
            b"B=",
            b"FETCH_TIMEOUT=soon",
            b"LOG_LEVEL=verbose",
            b"OWN=the container's",
            b"PASSWORD=p",
            b"PATH=/usr/bin:/bin",
            b"SET=ours",
            b"db.password=p",
        ]
    );
}

#[test]
fn the_program_has_the_process_id_and_its_exit_status_is_the_containers() {
    let container = Container::with(b"A=7\0");
    let mut command = container.exec(&[]);
    command
        .args(["sh", "-c", "echo $$; exit $A"])
        .stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout).trim(), id.to_string());
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn a_signal_ends_the_program_itself() {
    let container = Container::with(b"");
    let mut command = container.exec(&[]);
    command.args(["sh", "-c", "kill -TERM $$; sleep 60"]);
    assert_eq!(output(&mut command).status.signal(), Some(15));
}

#[test]
fn arguments_arrive_as_they_are() {
    let container = Container::with(b"");
    let arguments = [
        OsString::from("--"),
        "--version".into(),
        "--env-file".into(),
        "-h".into(),
        "".into(),
        "a b\n'$A".into(),
        OsString::from_vec(vec![0xff]),
        "--".into(),
    ];
    let mut command = container.exec(&[]);
    command.args(["printf", "%s\\0"]).args(&arguments);
    let printed = output(&mut command).stdout;
    let found: Vec<&[u8]> = printed.split(|byte| *byte == 0).collect();
    // printf itself takes the first one.
    let mut expected: Vec<&[u8]> = arguments.iter().map(|text| text.as_bytes()).collect();
    expected.push(b"");
    assert_eq!(found, expected);
}

/// Signals that are ignored, blocked and handled, threads, and who may look at the process: as without `exec`.
#[test]
fn nothing_of_this_programs_process_remains() {
    let container = Container::with(b"");
    let script = "grep -E '^(Sig(Pnd|Blk|Ign|Cgt)|Threads|NoNewPrivs|Seccomp|Cap)' /proc/self/status; stat -c %u /proc/$$/environ; ls /proc/$$/fd; ulimit -a; umask";
    let mut direct = Command::new("sh");
    direct.env_clear().env("PATH", "/usr/bin:/bin");
    as_app(&mut direct);
    let expected = text(&output(direct.args(["-c", script])).stdout);
    assert!(expected.contains("SigIgn:"), "{expected}");
    let mut command = container.exec(&[]);
    let found = text(&output(command.args(["sh", "-c", script])).stdout);
    assert_eq!(found, expected);
}

#[test]
fn a_program_that_cannot_be_run_has_the_exit_status_of_a_shell() {
    let container = Container::with(b"A=VALUEMARK\0");
    let file = container.folder.path().join("environ");
    for (program, status, words) in [
        ("no-such-program", 127, "name a program of its image"),
        (file.to_str().unwrap(), 126, "allowed to execute it"),
    ] {
        let output = output(container.exec(&[]).arg(program));
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{error}");
        let start = format!("error: could not run {program:?}: ");
        assert!(
            error.starts_with(&start) && error.contains(words),
            "{error}"
        );
        assert!(!error.contains("VALUEMARK"), "{error}");
    }
}

#[test]
fn a_file_that_fetch_did_not_write_is_refused() {
    let container = Container::with(b"A='VALUEMARK'\n");
    let broken = output(container.exec(&[]).arg("true"));
    assert_eq!(broken.status.code(), Some(1));
    let error = text(&broken.stderr);
    assert!(
        error.contains("does not hold environment variables as fetch writes them"),
        "{error}"
    );
    assert!(!error.contains("VALUEMARK"), "{error}");
    fs::remove_file(container.folder.path().join("environ")).unwrap();
    let missing = output(container.exec(&[]).arg("true"));
    assert_eq!(missing.status.code(), Some(1));
    let error = text(&missing.stderr);
    assert!(
        error.starts_with("error: could not read the environment variables from "),
        "{error}"
    );
}

#[test]
fn keys_of_secrets_become_variables_of_other_names_and_none_of_their_own() {
    let container = Container::with(
        b"A=a\0aws-secrets-injector.db_user=admin\0aws-secrets-injector.db_password=it's\0",
    );
    let set = [
        "--set=USER=aws-secrets-injector.db_user",
        "--set=DB_USER=aws-secrets-injector.db_user",
        "--set=A=aws-secrets-injector.db_password",
        "--set=ConnectionStrings:Default $1=aws-secrets-injector.db_user",
    ];
    let printed = output(container.exec(&set).args(["env", "-0"])).stdout;
    let printed = text(&printed);
    let mut variables: Vec<&str> = printed.split_terminator('\0').collect();
    variables.sort_unstable();
    assert_eq!(
        variables,
        [
            "A=it's",
            "ConnectionStrings:Default $1=admin",
            "DB_USER=admin",
            "PATH=/usr/bin:/bin",
            "USER=admin"
        ]
    );
    let missing = output(
        container
            .exec(&["--set=X=aws-secrets-injector.db_other"])
            .arg("true"),
    );
    assert_eq!(missing.status.code(), Some(1));
    let message = text(&missing.stderr);
    assert!(
        message.contains("variable X: ")
            && message.contains("does not have the key \"other\" of the Secret \"db\""),
        "{message}"
    );
    let invalid = output(container.exec(&["--set=X"]).arg("true"));
    assert!(text(&invalid.stderr).contains("write NAME=KEY"));
}
