//! `refresh`: what it asks, what it writes, and what it does when AWS or the app fails it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_stand_in::{Fault, Kind, When};
use serde_json::json;

use crate::running::{Running, until};
use crate::support::{OTHER_REGION, Stage};

const ENTRY: &str = "- {objectName: a, objectType: secretsmanager}";

async fn stage() -> Stage {
    let stage = Stage::start().await;
    stage.seed().secret("a", "one").await.unwrap();
    stage
}

fn fail(stage: &Stage, operation: &str, kind: Kind, times: Option<usize>) {
    let when = When::operation(operation);
    stage.aws.fail(Fault { when, kind, times });
}

#[tokio::test]
async fn a_rotated_secret_reaches_the_file() {
    let stage = stage().await;
    let refresh = stage.fetch_and_refresh(&[], ENTRY).await;
    stage.seed().update_secret("a", "two").await.unwrap();
    until(|| stage.file("a") == "two").await;
    refresh.says("files changed class=\"db\" files=\"a\"").await;
    assert!(!refresh.log().contains("two"), "{}", refresh.log());
}

#[tokio::test]
async fn twenty_unchanged_objects_make_a_describe_each_and_parameters_by_tens_and_no_write() {
    let stage = Stage::start().await;
    let mut objects = String::new();
    for n in 0..8 {
        stage.seed().secret(&format!("s{n}"), "v").await.unwrap();
        objects += &format!("- {{objectName: s{n}, objectType: secretsmanager}}\n");
    }
    for n in 0..12 {
        stage
            .seed()
            .parameter(&format!("/p{n}"), "v")
            .await
            .unwrap();
        objects += &format!("- {{objectName: /p{n}, objectType: ssmparameter}}\n");
    }
    stage.fetch_for_refresh(&[], &objects).await;
    assert_eq!(
        (stage.count("GetSecretValue"), stage.count("GetParameters")),
        (8, 2)
    );
    let before = stage.generation();
    stage.aws.forget();
    let mut refresh = stage.refresh();
    until(|| stage.count("DescribeSecret") >= 24 && stage.count("GetParameters") >= 6).await;
    refresh.terminate().await;
    let others: BTreeSet<_> = stage
        .aws
        .calls()
        .into_iter()
        .map(|call| call.operation)
        .collect();
    assert_eq!(
        Vec::from_iter(others),
        [
            "AssumeRoleWithWebIdentity",
            "DescribeSecret",
            "GetParameters"
        ]
    );
    assert_eq!(
        stage.count("AssumeRoleWithWebIdentity"),
        1,
        "credentials last an hour"
    );
    for n in 0..8 {
        let of_this = stage
            .aws
            .calls()
            .into_iter()
            .filter(|call| call.objects == [format!("s{n}")])
            .count();
        let rounds = stage.count("GetParameters") / 2;
        assert!(
            of_this.abs_diff(rounds) <= 1,
            "{of_this} calls for s{n} in {rounds} rounds"
        );
    }
    assert_eq!(stage.generation(), before);
}

#[tokio::test]
async fn a_pinned_version_never_asks() {
    let stage = stage().await;
    stage.seed().secret("b", "b").await.unwrap();
    let made = stage
        .seed()
        .json(
            "secretsmanager",
            "DescribeSecret",
            &json!({"SecretId": "a"}),
        )
        .await
        .unwrap();
    let versions = made["VersionIdsToStages"].as_object().unwrap();
    let version = versions.keys().next().unwrap();
    let pinned =
        format!("- {{objectName: a, objectType: secretsmanager, objectVersion: {version}}}\n");
    let _refresh = stage
        .fetch_and_refresh(
            &[],
            &format!("{pinned}- {{objectName: b, objectType: secretsmanager}}"),
        )
        .await;
    stage.seed().update_secret("a", "two").await.unwrap();
    stage.more_calls("DescribeSecret", 3).await;
    let about_a = stage
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.objects == ["a"]);
    assert_eq!(about_a.count(), 0);
    assert_eq!(stage.file("a"), "one");
}

#[tokio::test]
async fn a_label_that_moves_is_followed() {
    let stage = stage().await;
    let objects = "- {objectName: a, objectType: secretsmanager, objectVersionLabel: AWSPREVIOUS}";
    stage.seed().update_secret("a", "two").await.unwrap();
    let _refresh = stage.fetch_and_refresh(&[], objects).await;
    assert_eq!(stage.file("a"), "one");
    stage.seed().update_secret("a", "three").await.unwrap();
    until(|| stage.file("a") == "two").await;
}

#[tokio::test]
async fn changes_of_several_objects_come_in_one_swap() {
    let stage = stage().await;
    stage.seed().parameter("/p", "one").await.unwrap();
    stage.seed().secret("same", "same").await.unwrap();
    let objects = format!(
        "{ENTRY}\n- {{objectName: /p, objectType: ssmparameter, objectAlias: p}}\n- {{objectName: same, objectType: secretsmanager}}"
    );
    stage.fetch_for_refresh(&[], &objects).await;
    stage.seed().update_secret("a", "two").await.unwrap();
    stage.seed().parameter("/p", "two").await.unwrap();
    let refresh = stage.refresh();
    refresh.says("files changed").await;
    assert_eq!(
        (stage.file("a"), stage.file("p"), stage.file("same")),
        ("two".into(), "two".into(), "same".into())
    );
    stage.more_calls("DescribeSecret", 4).await;
    assert_eq!(
        refresh.log().matches("files changed").count(),
        1,
        "{}",
        refresh.log()
    );
    assert_eq!(
        stage.count("GetSecretValue"),
        3,
        "two of the fetch, one of the change"
    );
}

#[tokio::test]
async fn without_state_everything_is_fetched_once() {
    let stage = stage().await;
    stage.write_class(&[], ENTRY);
    std::fs::create_dir(stage.state()).unwrap();
    std::fs::write(stage.state().join("versions.json"), "{broken").unwrap();
    let refresh = stage.refresh();
    until(|| stage.file("a") == "one").await;
    stage.more_calls("DescribeSecret", 2).await;
    assert_eq!(stage.count("GetSecretValue"), 1);
    refresh.says("fetching everything once").await;
    let versions = std::fs::read_to_string(stage.state().join("versions.json")).unwrap();
    assert!(
        versions.contains("\"a\"") && !versions.contains("one"),
        "{versions}"
    );
}

#[tokio::test]
async fn failures_keep_the_files_and_pass() {
    let stage = stage().await;
    let mut refresh = stage.fetch_and_refresh(&[], ENTRY).await;
    let (files, mut recoveries) = (stage.generation(), 0);
    for (kind, words) in [
        (Kind::throttle(), "ThrottlingException"),
        (Kind::Drop, "no answer"),
        (
            Kind::access_denied(),
            "allow secretsmanager:GetSecretValue (and secretsmanager:DescribeSecret",
        ),
        (
            Kind::error(503, "ServiceUnavailable", "later"),
            "ServiceUnavailable",
        ),
        (Kind::Truncate, "the answer cannot be read"),
    ] {
        fail(&stage, "DescribeSecret", kind, None);
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
        until(|| refresh.log().matches("refreshes again").count() == recoveries).await;
    }
    assert!(refresh.is_running());
    stage.seed().update_secret("a", "two").await.unwrap();
    until(|| stage.file("a") == "two").await;
}

#[tokio::test]
async fn a_deleted_secret_keeps_its_file_until_it_is_restored() {
    let stage = stage().await;
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
    refresh.says("refreshes again").await;
}

#[tokio::test]
async fn a_role_that_is_taken_away_and_given_back() {
    let stage = stage().await;
    let refresh = stage.fetch_and_refresh(&[], ENTRY).await;
    stage.more_calls("DescribeSecret", 1).await;
    fail(
        &stage,
        "AssumeRoleWithWebIdentity",
        Kind::error(403, "AccessDenied", "Not authorized"),
        None,
    );
    fail(
        &stage,
        "DescribeSecret",
        Kind::error(
            400,
            "ExpiredTokenException",
            "The security token is expired",
        ),
        None,
    );
    refresh.says("trust policy").await;
    stage.aws.heal();
    refresh.says("refreshes again").await;
    assert_eq!(stage.file("a"), "one");
}

#[tokio::test]
async fn one_failing_object_keeps_its_whole_class_and_no_other() {
    let stage = stage().await;
    for name in ["b", "c"] {
        stage.seed().secret(name, "one").await.unwrap();
    }
    let two = "- {objectName: a, objectType: secretsmanager}\n- {objectName: b, objectType: secretsmanager}";
    let other = "- {objectName: c, objectType: secretsmanager}";
    let classes = format!(
        "{}---\n{}",
        crate::support::class("db", &[], two),
        crate::support::class("other", &[], other)
    );
    std::fs::write(stage.path("class.yaml"), classes).unwrap();
    let refresh = stage.refresh();
    until(|| stage.file("c") == "one").await;
    stage.aws.fail(Fault {
        when: When::object("b"),
        kind: Kind::access_denied(),
        times: None,
    });
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
    let stage = stage().await;
    stage
        .seed_other_region()
        .secret("a", "there")
        .await
        .unwrap();
    let parameters = [("region", "us-east-2"), ("failoverRegion", OTHER_REGION)];
    let _refresh = stage.fetch_and_refresh(&parameters, ENTRY).await;
    let when = When::region("us-east-2");
    stage.aws.fail(Fault {
        when,
        kind: Kind::access_denied(),
        times: None,
    });
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
async fn sigterm_ends_it_at_once_in_a_pause_a_fetch_and_a_back_off() {
    let stage = stage().await;
    let mut waiting = stage.fetch_and_refresh(&[], ENTRY).await;
    waiting.says("refreshing").await;
    assert_eq!(waiting.terminate().await.code(), Some(0));
    fail(&stage, "DescribeSecret", Kind::Hang, None);
    let mut command = stage.refresh_command();
    command.env("FETCH_TIMEOUT", "1h");
    let mut hanging = Running::start(command);
    stage.more_calls("DescribeSecret", 1).await;
    assert_eq!(hanging.terminate().await.code(), Some(0));
    stage.aws.heal();
    fail(&stage, "DescribeSecret", Kind::access_denied(), None);
    let mut backing_off = stage.refresh();
    backing_off.says("next try in").await;
    assert_eq!(backing_off.terminate().await.code(), Some(0));
    assert_eq!(stage.file("a"), "one");
}

#[tokio::test]
async fn a_reader_sees_whole_sets_alone_and_never_a_missing_file() {
    let stage = stage().await;
    stage.seed().secret("b", "one").await.unwrap();
    let objects = format!("{ENTRY}\n- {{objectName: b, objectType: secretsmanager}}");
    let refresh = stage.fetch_and_refresh(&[], &objects).await;
    let mount = stage.mount();
    let done = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut rounds = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let generation = std::fs::canonicalize(mount.join("..data")).unwrap();
                for name in ["a", "b"] {
                    assert!(!std::fs::read(mount.join(name)).unwrap().is_empty());
                    match std::fs::read(generation.join(name)) {
                        Ok(value) => assert!(!value.is_empty()),
                        // A reader that slept for longer than old sets stay.
                        Err(_) => assert_ne!(
                            generation,
                            std::fs::canonicalize(mount.join("..data")).unwrap()
                        ),
                    }
                }
                rounds += 1;
            }
            rounds
        }
    });
    for n in 0..5 {
        stage
            .seed()
            .update_secret("a", &format!("value {n}"))
            .await
            .unwrap();
        until(|| refresh.log().matches("files changed").count() > n).await;
    }
    done.store(true, Ordering::Relaxed);
    assert!(reader.join().unwrap() > 0);
}
