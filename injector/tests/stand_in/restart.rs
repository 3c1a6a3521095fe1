//! `refresh` with `restart`: it ends with a status of its own once everything is in place, and only after a change.

use aws_stand_in::{Kind, When};
use provider_class::RESTART_EXIT_STATUS;

use crate::running::{Running, until};
use crate::support::{ENTRY, Outcome, Stage};

const OTHER: &str = "- {objectName: b, objectType: secretsmanager}";
const CLASSES: [(&str, &str); 2] = [("db", ENTRY), ("other", OTHER)];
const ITEMS: [(&str, &str); 2] = [("A", "a"), ("B", "b")];

/// Two classes with a secret and a variable each.
async fn stage() -> Stage {
    let stage = Stage::with_secret("one").await;
    stage.seed().secret("b", "one").await.unwrap();
    fetch(&stage).await;
    stage
}

/// The init container, at the pod's start and after each restart.
async fn fetch(stage: &Stage) -> Outcome {
    let outcome = stage.run(stage.injected("fetch", &CLASSES, "kubelet", &ITEMS));
    let outcome = outcome.await;
    assert!(outcome.success, "{}", outcome.stderr);
    outcome
}

/// The sidecar.
fn refresh(stage: &Stage) -> Running {
    let mut command = stage.injected("refresh", &CLASSES, "kubelet", &ITEMS);
    command.env("ON_REFRESH", "restart");
    Running::start(command)
}

/// How many sets of files the mount holds.
fn sets(stage: &Stage) -> usize {
    let entries = std::fs::read_dir(stage.mount()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("..1")).count()
}

#[tokio::test]
async fn a_change_ends_it_with_all_files_and_variables_in_place() {
    let stage = stage().await;
    let mut refresh = refresh(&stage);
    stage.more_calls("DescribeSecret", 4).await;
    assert!(refresh.is_running(), "nothing has changed");
    stage.seed().update_secret("a", "two").await.unwrap();
    let status = refresh.end().await;
    assert_eq!(status.code(), Some(i32::from(RESTART_EXIT_STATUS)));
    assert_eq!(
        (stage.file("a"), stage.env_file()),
        ("two".into(), "A='two'\nB='one'\n".into())
    );
    assert_eq!(sets(&stage), 1, "the old files are gone");
    refresh.says("restarting the pod's containers").await;
    assert!(!refresh.log().contains("two"), "{}", refresh.log());
}

#[tokio::test]
async fn it_does_not_end_again_for_the_same_change() {
    let stage = stage().await;
    let mut first = refresh(&stage);
    stage.seed().update_secret("a", "two").await.unwrap();
    first.end().await;
    // A kubelet that does not know the rule restarts only the sidecar.
    let mut alone = refresh(&stage);
    stage.more_calls("DescribeSecret", 6).await;
    assert!(alone.is_running());
    assert_eq!(alone.terminate().await.code(), Some(0));
    fetch(&stage).await;
    let mut restarted = refresh(&stage);
    stage.more_calls("DescribeSecret", 6).await;
    assert!(restarted.is_running());
    stage.seed().update_secret("b", "two").await.unwrap();
    let status = restarted.end().await;
    assert_eq!(status.code(), Some(i32::from(RESTART_EXIT_STATUS)));
    assert_eq!(stage.env_file(), "A='two'\nB='two'\n");
}

#[tokio::test]
async fn without_state_it_finds_that_nothing_has_changed() {
    let stage = stage().await;
    std::fs::remove_dir_all(stage.state()).unwrap();
    let mut refresh = refresh(&stage);
    stage.more_calls("DescribeSecret", 6).await;
    assert!(refresh.is_running(), "{}", refresh.log());
}

#[tokio::test]
async fn a_class_that_fails_delays_the_restart() {
    let stage = stage().await;
    stage.fail_when(When::object("b"), Kind::access_denied());
    let mut refresh = refresh(&stage);
    refresh.says("refresh failed: class \"other\"").await;
    stage.seed().update_secret("a", "two").await.unwrap();
    refresh.says("files changed class=\"db\"").await;
    let delays = "not restarted while a class fails to refresh";
    until(|| refresh.log().matches(delays).count() >= 3).await;
    stage.aws.heal();
    let status = refresh.end().await;
    assert_eq!(status.code(), Some(i32::from(RESTART_EXIT_STATUS)));
}
