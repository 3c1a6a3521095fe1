//! `refresh`: what it asks, and what it writes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::running::until;
use crate::support::{ENTRY, Stage};

#[tokio::test]
async fn a_rotated_secret_reaches_the_file() {
    let stage = Stage::with_secret("one").await;
    let refresh = stage.fetch_and_refresh(&[], ENTRY).await;
    stage.seed().update_secret("a", "two").await.unwrap();
    until(|| stage.file("a") == "two").await;
    refresh.says("files changed class=\"db\" files=\"a\"").await;
    refresh.says("new version: secretsmanager a ").await;
    assert_eq!(refresh.log().matches("new version").count(), 1);
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
    let stage = Stage::with_secret("one").await;
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
    let stage = Stage::with_secret("one").await;
    let objects = "- {objectName: a, objectType: secretsmanager, objectVersionLabel: AWSPREVIOUS}";
    stage.seed().update_secret("a", "two").await.unwrap();
    let _refresh = stage.fetch_and_refresh(&[], objects).await;
    assert_eq!(stage.file("a"), "one");
    stage.seed().update_secret("a", "three").await.unwrap();
    until(|| stage.file("a") == "two").await;
}

#[tokio::test]
async fn changes_of_several_objects_come_in_one_swap() {
    let stage = Stage::with_secret("one").await;
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
    let stage = Stage::with_secret("one").await;
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
        versions.contains("\\\"a\\\"") && !versions.contains("one"),
        "{versions}"
    );
}

#[tokio::test]
async fn a_reader_sees_whole_sets_alone_and_never_a_missing_file() {
    let stage = Stage::with_secret("one").await;
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
