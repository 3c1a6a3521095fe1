//! Directories in which other users could not read the files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::json;

use crate::exec::install;
use crate::support::{Stage, class};

/// It belongs to root, and everybody may write there: as the kubelet makes the directory of a mount with `subPath`.
const SHARED: &str = "/tmp";

/// The program as a user that is not the owner of [`SHARED`].
fn as_somebody(stage: &Stage) -> Command {
    let folder = stage.path("");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let mut command = stage.command();
    if rustix::process::geteuid().is_root() {
        // The folder of the build may be one that only root enters.
        let program = stage.path("aws-secrets-injector");
        install(command.get_program().to_str().unwrap(), &program, 0o755);
        let variables: Vec<_> = command
            .get_envs()
            .map(|(name, value)| (name.to_owned(), value.unwrap().to_owned()))
            .collect();
        command = Command::new(program);
        command.env_clear().envs(variables).uid(65532).gid(65532);
    }
    command
}

#[tokio::test]
async fn a_directory_that_another_container_came_to_first_stops_the_fetch_before_anything_is_asked()
{
    let stage = Stage::start().await;
    let objects = "- {objectName: db, objectType: secretsmanager}";
    let snapshot = json!([{"name": "db", "mountPath": SHARED, "parameters": {"objects": objects}}]);
    let mut command = as_somebody(&stage);
    command
        .arg("fetch")
        .env("SECRET_PROVIDER_CLASSES", snapshot.to_string());
    let outcome = stage.run(command).await;
    assert!(!outcome.success);
    for words in [
        "/tmp belongs to user 0 and is world-writable",
        "make aws-secrets-injector the first init container",
    ] {
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
    assert_eq!(stage.calls(), [""; 0]);
}

#[tokio::test]
async fn a_directory_of_the_command_line_is_only_warned_of() {
    let stage = Stage::start().await;
    let objects = "- {objectName: missing, objectType: secretsmanager}\n";
    let file = stage.path("class.yaml");
    std::fs::write(&file, class("db", &[], objects)).unwrap();
    let mut command = as_somebody(&stage);
    command
        .args(["fetch", "--mount-path", SHARED, "--class-file"])
        .arg(file);
    let outcome = stage.run(command).await;
    assert!(
        outcome.stderr.contains("use a directory inside it"),
        "{}",
        outcome.stderr
    );
}
