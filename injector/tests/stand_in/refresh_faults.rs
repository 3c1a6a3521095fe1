//! `refresh` when AWS fails it, and when it is told to end.

use aws_stand_in::{Kind, When};
use serde_json::json;

use crate::running::{Running, until};
use crate::support::{ENTRY, FAILOVER, OTHER_REGION, REGION, Stage, class};

#[tokio::test]
async fn failures_keep_the_files_and_pass() {
    let stage = Stage::with_secret("one").await;
    let mut refresh = stage.fetch_and_refresh(&[], ENTRY).await;
    let (files, mut recoveries) = (stage.generation(), 0);
    for (kind, words) in [
        (Kind::throttle(), "ThrottlingException"),
        (Kind::Drop, "no response"),
        (
            Kind::access_denied(),
            "allow secretsmanager:GetSecretValue (and secretsmanager:DescribeSecret",
        ),
        (
            Kind::error(503, "ServiceUnavailable", "later"),
            "ServiceUnavailable",
        ),
        (Kind::Truncate, "the response cannot be parsed"),
    ] {
        stage.fail("GetSecretValue", kind.clone());
        stage.fail("DescribeSecret", kind);
        refresh.says(words).await;
        until(|| {
            refresh.log().lines().any(|line| {
                line.contains("refresh failed: class \"db\": objects[0] \"a\"")
                    && line.contains(words)
            })
        })
        .await;
        assert_eq!(
            (stage.generation(), stage.file("a")),
            (files.clone(), "one".to_owned())
        );
        stage.aws.heal();
        recoveries += 1;
        until(|| refresh.log().matches("refresh recovered").count() == recoveries).await;
    }
    assert!(refresh.is_running());
    stage.seed().update_secret("a", "two").await.unwrap();
    until(|| stage.file("a") == "two").await;
}

#[tokio::test]
async fn a_deleted_secret_keeps_its_file_until_it_is_restored() {
    let stage = Stage::with_secret("one").await;
    let refresh = stage.fetch_and_refresh(&[], ENTRY).await;
    let secret = json!({"SecretId": "a"});
    stage
        .seed()
        .json("secretsmanager", "DeleteSecret", &secret)
        .await
        .unwrap();
    refresh
        .says("scheduled for deletion; restore the secret")
        .await;
    assert_eq!(stage.file("a"), "one");
    stage
        .seed()
        .json("secretsmanager", "RestoreSecret", &secret)
        .await
        .unwrap();
    refresh.says("refresh recovered").await;
}

#[tokio::test]
async fn a_role_that_is_taken_away_and_given_back() {
    let stage = Stage::with_secret("one").await;
    let refresh = stage.fetch_and_refresh(&[], ENTRY).await;
    stage.more_calls("DescribeSecret", 1).await;
    stage.fail(
        "AssumeRoleWithWebIdentity",
        Kind::error(403, "AccessDenied", "Not authorized"),
    );
    stage.fail(
        "DescribeSecret",
        Kind::error(
            400,
            "ExpiredTokenException",
            "The security token is expired",
        ),
    );
    refresh.says("trust policy").await;
    stage.aws.heal();
    refresh.says("refresh recovered").await;
    assert_eq!(stage.file("a"), "one");
}

#[tokio::test]
async fn one_failing_object_keeps_its_whole_class_and_no_other() {
    let stage = Stage::with_secret("one").await;
    for name in ["b", "c"] {
        stage.seed().secret(name, "one").await.unwrap();
    }
    let two = "- {objectName: a, objectType: secretsmanager}\n- {objectName: b, objectType: secretsmanager}";
    let other = "- {objectName: c, objectType: secretsmanager}";
    let classes = format!(
        "{}---\n{}",
        class("db", &[], two),
        class("other", &[], other)
    );
    std::fs::write(stage.path("class.yaml"), classes).unwrap();
    let refresh = stage.refresh();
    until(|| stage.file("c") == "one").await;
    stage.fail_when(When::object("b"), Kind::access_denied());
    for name in ["a", "c"] {
        stage.seed().update_secret(name, "two").await.unwrap();
    }
    until(|| stage.file("c") == "two").await;
    refresh.says("objects[1] \"b\"").await;
    assert_eq!(
        (stage.file("a"), stage.file("b")),
        ("one".into(), "one".into())
    );
    stage.aws.heal();
    until(|| stage.file("a") == "two").await;
}

#[tokio::test]
async fn a_value_that_lost_its_key_keeps_the_old_files() {
    let stage = Stage::start().await;
    stage.seed().secret("j", r#"{"k": "one"}"#).await.unwrap();
    let objects =
        "- {objectName: j, objectType: secretsmanager, jmesPath: [{path: k, objectAlias: k}]}";
    let refresh = stage.fetch_and_refresh(&[], objects).await;
    stage
        .seed()
        .update_secret("j", r#"{"other": "two"}"#)
        .await
        .unwrap();
    refresh.says("finds nothing").await;
    assert_eq!(
        (stage.file("j"), stage.file("k")),
        (r#"{"k": "one"}"#.into(), "one".into())
    );
    stage
        .seed()
        .update_secret("j", r#"{"k": "three"}"#)
        .await
        .unwrap();
    until(|| stage.file("k") == "three").await;
}

#[tokio::test]
async fn the_failover_region_answers_while_the_first_is_away() {
    let stage = Stage::with_secret_in_both_regions("one", "there").await;
    let _refresh = stage.fetch_and_refresh(&FAILOVER, ENTRY).await;
    stage.fail_when(When::region("us-east-2"), Kind::access_denied());
    until(|| stage.file("a") == "there").await;
    let gets = || {
        let calls = stage.aws.calls().into_iter();
        let there = calls.filter(|call| call.region.as_deref() == Some(OTHER_REGION));
        there
            .filter(|call| call.operation == "GetSecretValue")
            .count()
    };
    stage.more_calls("DescribeSecret", 4).await;
    assert_eq!(
        gets(),
        1,
        "what is held of the other region is not fetched again"
    );
    stage.aws.heal();
    until(|| stage.file("a") == "one").await;
}

#[tokio::test]
async fn without_the_right_to_describe_a_secret_its_value_is_fetched_from_the_same_region() {
    let stage = Stage::with_secret_in_both_regions("one", "there").await;
    stage.fail("DescribeSecret", Kind::access_denied());
    let refresh = stage.fetch_and_refresh(&FAILOVER, ENTRY).await;
    stage.more_calls("GetSecretValue", 4).await;
    refresh.says("fetching the value instead").await;
    let calls = stage.aws.calls().into_iter();
    let regions = calls.filter_map(|call| call.region);
    assert!(regions.into_iter().all(|region| region == REGION));
    stage.seed().update_secret("a", "two").await.unwrap();
    until(|| stage.file("a") == "two").await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_the_refresh_and_stays() {
    let stage = Stage::with_secret("one").await;
    stage.seed().secret("b", "one").await.unwrap();
    let two = "- {objectName: a, objectType: secretsmanager}\n- {objectName: b, objectType: secretsmanager}";
    let refresh = stage.fetch_and_refresh(&[], two).await;
    // Root could read any file, but nobody reads a link to itself.
    let file = std::fs::canonicalize(stage.mount().join("b")).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    stage.seed().update_secret("a", "two").await.unwrap();
    refresh.says("could not read").await;
    assert_eq!(stage.file("a"), "one");
    assert!(file.is_symlink());
}

#[tokio::test]
async fn sigterm_ends_it_at_once_in_a_pause_a_fetch_and_a_back_off() {
    let stage = Stage::with_secret("one").await;
    let mut waiting = stage.fetch_and_refresh(&[], ENTRY).await;
    waiting.says("refreshing").await;
    assert_eq!(waiting.terminate().await.code(), Some(0));
    stage.fail("DescribeSecret", Kind::Hang);
    let mut command = stage.refresh_command();
    command.env("FETCH_TIMEOUT", "1h");
    let mut hanging = Running::start(command);
    stage.more_calls("DescribeSecret", 1).await;
    assert_eq!(hanging.terminate().await.code(), Some(0));
    stage.aws.heal();
    for operation in ["DescribeSecret", "GetSecretValue"] {
        stage.fail(operation, Kind::access_denied());
    }
    let mut backing_off = stage.refresh();
    backing_off.says("retrying in").await;
    assert_eq!(backing_off.terminate().await.code(), Some(0));
    assert_eq!(stage.file("a"), "one");
}
