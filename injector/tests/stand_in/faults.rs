//! What becomes of failures: each is made on purpose, on a real connection.

use std::time::Duration;

use crate::support::{OTHER_REGION, Stage, class};
use aws_stand_in::{Fault, Kind, When};

const ENTRY: &str = "- {objectName: a, objectType: secretsmanager}";
const FAILOVER: [(&str, &str); 2] = [("region", "us-east-2"), ("failoverRegion", OTHER_REGION)];

async fn stage() -> Stage {
    let stage = Stage::start().await;
    stage.seed().secret("a", "value").await.unwrap();
    stage
}

fn fail(stage: &Stage, when: When, kind: Kind, times: Option<usize>) {
    stage.aws.fail(Fault { when, kind, times });
}

#[tokio::test]
async fn throttled_twice_then_fine() {
    let stage = stage().await;
    fail(
        &stage,
        When::operation("GetSecretValue"),
        Kind::throttle(),
        Some(2),
    );
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
    assert_eq!(
        stage
            .calls()
            .iter()
            .filter(|call| call.starts_with("GetSecretValue"))
            .count(),
        3
    );
}

#[tokio::test]
async fn throttled_until_the_deadline_names_the_last_error() {
    let stage = stage().await;
    fail(
        &stage,
        When::operation("GetSecretValue"),
        Kind::throttle(),
        None,
    );
    let outcome = stage
        .fetch_with(&[], ENTRY, |command| command.args(["--timeout", "3s"]))
        .await;
    outcome.assert_error(&[
        "objects[0] \"a\"",
        "within 3 s (--timeout)",
        "ThrottlingException: Rate exceeded",
        "quota",
    ]);
}

#[tokio::test]
async fn sts_throttled_then_fine() {
    let stage = stage().await;
    fail(
        &stage,
        When::operation("AssumeRoleWithWebIdentity"),
        Kind::error(400, "Throttling", "Rate exceeded"),
        Some(2),
    );
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
}

#[tokio::test]
async fn dropped_connections_and_broken_answers_are_tried_again() {
    let stage = stage().await;
    for kind in [
        Kind::Drop,
        Kind::DropMidBody,
        Kind::error(503, "ServiceUnavailable", "later"),
    ] {
        fail(&stage, When::operation("GetSecretValue"), kind, Some(1));
    }
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
}

#[tokio::test]
async fn a_truncated_answer_is_an_error_that_does_not_quote_it() {
    let stage = stage().await;
    stage
        .seed()
        .secret("long", &"hunter2 ".repeat(100))
        .await
        .unwrap();
    fail(&stage, When::object("long"), Kind::Truncate, None);
    let outcome = stage
        .fetch(&[], "- {objectName: long, objectType: secretsmanager}")
        .await;
    outcome.assert_error(&["objects[0] \"long\"", "the answer cannot be read"]);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[tokio::test]
async fn access_denied_says_what_to_allow_and_is_not_tried_again() {
    let stage = stage().await;
    fail(
        &stage,
        When::operation("GetSecretValue"),
        Kind::access_denied(),
        None,
    );
    stage.fetch(&[], ENTRY).await.assert_error(&[
        "class \"db\": objects[0] \"a\": Secrets Manager in us-east-2: AccessDeniedException",
        "allow secretsmanager:GetSecretValue",
    ]);
    assert_eq!(
        stage
            .calls()
            .iter()
            .filter(|call| call.starts_with("GetSecretValue"))
            .count(),
        1
    );
}

#[tokio::test]
async fn every_failed_object_is_named_and_nothing_is_written() {
    let stage = stage().await;
    let outcome = stage.fetch(&[], &format!("{ENTRY}\n- {{objectName: b, objectType: secretsmanager}}\n- {{objectName: /p, objectType: ssmparameter}}\n- {{objectName: a, objectType: secretsmanager, objectAlias: x, jmesPath: [{{path: k, objectAlias: y}}]}}")).await;
    outcome.assert_error(&[
        "objects[1] \"b\": Secrets Manager in us-east-2: ResourceNotFoundException",
        "objects[2] \"/p\": Parameter Store in us-east-2: InvalidParameters",
        "objects[3].jmesPath: the value is not JSON",
    ]);
    assert!(!outcome.stderr.contains("objects[0]"), "{}", outcome.stderr);
}

#[tokio::test]
async fn an_expired_token_is_said_once_and_is_not_the_other_regions_matter() {
    let stage = stage().await;
    fail(
        &stage,
        When::operation("AssumeRoleWithWebIdentity"),
        Kind::error(400, "ExpiredTokenException", "Token expired"),
        None,
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
async fn a_slow_answer_is_waited_for() {
    let stage = stage().await;
    fail(
        &stage,
        When::operation("GetSecretValue"),
        Kind::Late(Duration::from_secs(2)),
        Some(1),
    );
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
    assert_eq!(
        stage
            .calls()
            .iter()
            .filter(|call| call.starts_with("GetSecretValue"))
            .count(),
        1
    );
}

#[tokio::test]
async fn no_answer_ends_at_the_deadline() {
    let stage = stage().await;
    fail(&stage, When::operation("GetSecretValue"), Kind::Hang, None);
    stage
        .fetch_with(&[], ENTRY, |command| command.args(["--timeout", "2s"]))
        .await
        .assert_error(&[
            "objects[0] \"a\"",
            "no answer within 2 s (--timeout)",
            "network policies",
        ]);
}

#[tokio::test]
async fn a_failed_fetch_leaves_the_files_of_the_last_one() {
    let stage = stage().await;
    assert!(stage.fetch(&[], ENTRY).await.success);
    fail(
        &stage,
        When::operation("GetSecretValue"),
        Kind::access_denied(),
        None,
    );
    let outcome = stage.fetch(&[], ENTRY).await;
    assert!(!outcome.success);
    assert_eq!(outcome.files["a"], b"value");
}

#[tokio::test]
async fn trouble_of_the_first_region_leads_to_the_second() {
    for kind in [
        Kind::error(500, "InternalServiceError", "broken"),
        Kind::Drop,
        Kind::access_denied(),
    ] {
        let stage = stage().await;
        stage
            .seed_other_region()
            .secret("b", "other")
            .await
            .unwrap();
        fail(&stage, When::region("us-east-2"), kind, None);
        let objects = "- {objectName: a, objectType: secretsmanager, objectAlias: x, failoverObject: {objectName: b}}";
        let outcome = stage.fetch(&FAILOVER, objects).await;
        outcome.assert_files(&[("x", "other")]);
        assert!(
            outcome
                .stderr
                .contains("asking the failover region us-west-2"),
            "{}",
            outcome.stderr
        );
    }
}

#[tokio::test]
async fn a_hanging_first_region_leaves_time_for_the_second() {
    let stage = stage().await;
    stage
        .seed_other_region()
        .secret("a", "other")
        .await
        .unwrap();
    fail(&stage, When::region("us-east-2"), Kind::Hang, None);
    stage
        .fetch_with(&FAILOVER, ENTRY, |command| {
            command.args(["--timeout", "4s"])
        })
        .await
        .assert_files(&[("a", "other")]);
}

#[tokio::test]
async fn the_second_region_is_not_asked_without_need_nor_for_what_does_not_exist() {
    let stage = stage().await;
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
    let stage = stage().await;
    fail(
        &stage,
        When::region("us-east-2"),
        Kind::access_denied(),
        None,
    );
    stage.fetch(&FAILOVER, ENTRY).await.assert_error(&[
        "Secrets Manager in us-east-2: AccessDeniedException",
        "and in the failover region: Secrets Manager in us-west-2: ResourceNotFoundException",
    ]);
}

#[tokio::test]
async fn a_parameter_fails_over_by_itself() {
    let stage = stage().await;
    stage.seed().parameter("/here", "here").await.unwrap();
    stage
        .seed_other_region()
        .parameter("/here", "there")
        .await
        .unwrap();
    fail(
        &stage,
        When {
            operation: Some("GetParameters".to_owned()),
            region: Some("us-east-2".to_owned()),
            ..When::default()
        },
        Kind::error(500, "InternalServerError", "broken"),
        None,
    );
    stage
        .fetch(
            &FAILOVER,
            &format!("{ENTRY}\n- {{objectName: /here, objectType: ssmparameter}}"),
        )
        .await
        .assert_files(&[("_here", "there"), ("a", "value")]);
}

#[tokio::test]
async fn no_other_credentials_are_ever_used() {
    let stage = stage().await;
    let outcome = stage
        .fetch_with(&[], ENTRY, |command| {
            command
                .env_remove("AWS_ROLE_ARN")
                .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .env("AWS_PROFILE", "default")
        })
        .await;
    outcome.assert_error(&["AWS_ROLE_ARN is not set", "no other credentials are used"]);
    assert_eq!(stage.calls(), [] as [&str; 0]);
    let outcome = stage
        .fetch_with(&[("usePodIdentity", "true")], ENTRY, |command| command)
        .await;
    outcome.assert_error(&["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is not set"]);
    let missing = stage.path("nothing");
    stage
        .fetch_with(&[], ENTRY, |command| {
            command.env("AWS_WEB_IDENTITY_TOKEN_FILE", missing)
        })
        .await
        .assert_error(&[
            "the token file",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "No such file",
        ]);
}

#[tokio::test]
async fn the_agents_passing_trouble_is_waited_out_and_its_refusal_is_told() {
    let stage = Stage::start().await;
    stage
        .aws
        .seed("123456789012", crate::support::REGION)
        .secret("a", "value")
        .await
        .unwrap();
    let uri = format!("{}/v1/credentials", stage.aws.url());
    let fetch = || {
        let (uri, token) = (uri.clone(), stage.path("token"));
        stage.fetch_with(&[("usePodIdentity", "true")], ENTRY, move |command| {
            command
                .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)
                .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token)
        })
    };
    fail(
        &stage,
        When::operation("PodIdentityCredentials"),
        Kind::error(400, "", "no association for this ServiceAccount"),
        Some(1),
    );
    fetch().await.assert_error(&[
        "the EKS Pod Identity agent: HTTP status 400: no association",
        "create a Pod Identity association",
    ]);
    fail(
        &stage,
        When::operation("PodIdentityCredentials"),
        Kind::error(500, "", "starting"),
        Some(1),
    );
    fetch().await.assert_files(&[("a", "value")]);
}

#[tokio::test]
async fn a_fetch_that_is_told_to_end_ends_at_once_and_writes_nothing() {
    let stage = stage().await;
    fail(&stage, When::operation("GetSecretValue"), Kind::Hang, None);
    std::fs::write(stage.path("class.yaml"), class("db", &[], ENTRY)).unwrap();
    let mut command = stage.command();
    command
        .arg("fetch")
        .arg("--class-file")
        .arg(stage.path("class.yaml"))
        .arg("--mount-path")
        .arg(stage.mount())
        .stderr(std::process::Stdio::piped());
    let process = command.spawn().unwrap();
    while !stage
        .calls()
        .iter()
        .any(|call| call.starts_with("GetSecretValue"))
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let id = process.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(killed.unwrap().success());
    let output = tokio::task::spawn_blocking(move || process.wait_with_output().unwrap())
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("told to end before the secrets were written"),
        "{stderr}"
    );
    assert!(!stage.mount().exists());
}
