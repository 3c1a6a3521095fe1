//! When the second region is asked, and for what.

use std::path::PathBuf;

use aws_stand_in::{Fault, Kind, When};

use crate::support::{ENTRY, FAILOVER, OTHER_REGION, Stage, class};

#[tokio::test]
async fn an_expired_token_is_said_once_and_is_not_the_other_regions_matter() {
    let stage = Stage::with_secret("value").await;
    stage.fail(
        "AssumeRoleWithWebIdentity",
        Kind::error(400, "ExpiredTokenException", "Token expired"),
    );
    let outcome = stage.fetch(&FAILOVER, "- {objectName: a, objectType: secretsmanager}\n- {objectName: b, objectType: secretsmanager}").await;
    outcome.assert_error(&[
        "class \"db\": STS in us-east-2: ExpiredTokenException",
        "node's clock",
    ]);
    assert_eq!(
        outcome.stderr.matches("ExpiredTokenException").count(),
        1,
        "{}",
        outcome.stderr
    );
    assert_eq!(stage.calls(), ["AssumeRoleWithWebIdentity"]);
}

#[tokio::test]
async fn trouble_of_the_first_region_leads_to_the_second() {
    for kind in [
        Kind::error(500, "InternalServiceError", "broken"),
        Kind::Drop,
        Kind::access_denied(),
    ] {
        let stage = Stage::with_secret("value").await;
        stage
            .seed_other_region()
            .secret("b", "other")
            .await
            .unwrap();
        stage.fail_when(When::region("us-east-2"), kind);
        let objects = "- {objectName: a, objectType: secretsmanager, objectAlias: x, failoverObject: {objectName: b}}";
        let outcome = stage.fetch(&FAILOVER, objects).await;
        outcome.assert_files(&[("x", "other")]);
        assert!(
            outcome
                .stderr
                .contains("trying the failover region us-west-2"),
            "{}",
            outcome.stderr
        );
    }
}

#[tokio::test]
async fn a_hanging_first_region_leaves_time_for_the_second() {
    let stage = Stage::with_secret_in_both_regions("value", "other").await;
    stage.fail_when(When::region("us-east-2"), Kind::Hang);
    stage
        .fetch_with(&FAILOVER, ENTRY, |command| {
            command.args(["--timeout", "4s"])
        })
        .await
        .assert_files(&[("a", "other")]);
}

/// The file of a class that writes the same secret to another file.
fn second_class(stage: &Stage, parameters: &[(&str, &str)]) -> PathBuf {
    let file = stage.path("second.yaml");
    let objects = "- {objectName: a, objectType: secretsmanager, objectAlias: b}";
    std::fs::write(&file, class("second", parameters, objects)).unwrap();
    file
}

/// Classes of one role share the exchange, but not the time that one of them has for it.
#[tokio::test]
async fn a_class_without_failover_waits_longer_for_sts_than_one_with_it() {
    let stage = Stage::with_secret_in_both_regions("value", "other").await;
    let second = second_class(&stage, &[]);
    let broken = Kind::error(500, "InternalFailure", "broken");
    stage.fail_times("AssumeRoleWithWebIdentity", broken, 5);
    let outcome = stage
        .fetch_with(&FAILOVER, ENTRY, |command| {
            command.arg("--class-file").arg(&second)
        })
        .await;
    outcome.assert_files(&[("a", "other"), ("b", "value")]);
}

#[tokio::test]
async fn a_class_with_failover_does_not_wait_for_another_one_s_exchange() {
    let stage = Stage::with_secret_in_both_regions("value", "other").await;
    let second = second_class(&stage, &FAILOVER);
    let times = Some(1);
    let when = When::operation("AssumeRoleWithWebIdentity");
    let kind = Kind::Hang;
    stage.aws.fail(Fault { when, kind, times });
    let outcome = stage
        .fetch_with(&[], ENTRY, |command| {
            command
                .args(["--timeout", "4s"])
                .arg("--class-file")
                .arg(&second)
        })
        .await;
    outcome.assert_error(&["class \"db\": STS in us-east-2"]);
    assert!(
        !outcome.stderr.contains("class \"second\""),
        "{}",
        outcome.stderr
    );
    assert!(stage.calls().contains(&"GetSecretValue a".to_owned()));
}

#[tokio::test]
async fn the_second_region_is_not_asked_without_need_nor_for_what_does_not_exist() {
    let stage = Stage::with_secret("value").await;
    stage
        .seed_other_region()
        .secret("missing", "other")
        .await
        .unwrap();
    stage
        .fetch(&FAILOVER, ENTRY)
        .await
        .assert_files(&[("a", "value")]);
    let outcome = stage
        .fetch(
            &FAILOVER,
            "- {objectName: missing, objectType: secretsmanager}",
        )
        .await;
    assert!(
        outcome
            .stderr
            .contains("Secrets Manager in us-east-2: ResourceNotFoundException"),
        "{}",
        outcome.stderr
    );
    assert!(
        stage
            .aws
            .calls()
            .iter()
            .all(|call| call.region.as_deref() != Some(OTHER_REGION))
    );
}

#[tokio::test]
async fn when_both_regions_fail_both_reasons_are_given() {
    let stage = Stage::with_secret("value").await;
    stage.fail_when(When::region("us-east-2"), Kind::access_denied());
    stage.fetch(&FAILOVER, ENTRY).await.assert_error(&[
        "Secrets Manager in us-east-2: AccessDeniedException",
        "and in the failover region: Secrets Manager in us-west-2: ResourceNotFoundException",
    ]);
}

#[tokio::test]
async fn a_parameter_fails_over_by_itself() {
    let stage = Stage::with_secret("value").await;
    stage.seed().parameter("/here", "here").await.unwrap();
    stage
        .seed_other_region()
        .parameter("/here", "there")
        .await
        .unwrap();
    stage.fail_when(
        When {
            operation: Some("GetParameters".to_owned()),
            region: Some("us-east-2".to_owned()),
            ..When::default()
        },
        Kind::error(500, "InternalServerError", "broken"),
    );
    stage
        .fetch(
            &FAILOVER,
            &format!("{ENTRY}\n- {{objectName: /here, objectType: ssmparameter}}"),
        )
        .await
        .assert_files(&[("_here", "there"), ("a", "value")]);
}
