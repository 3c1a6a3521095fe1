//! What becomes of failures: each is made on purpose, on a real connection.

use std::time::Duration;

use aws_stand_in::{Kind, When};

use crate::running::until;
use crate::support::{AGENT_ACCOUNT, ENTRY, POD_IDENTITY, REGION, Stage, class};

#[tokio::test]
async fn throttled_twice_then_fine() {
    let stage = Stage::with_secret("value").await;
    stage.fail_times("GetSecretValue", Kind::throttle(), 2);
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
    assert_eq!(stage.count("GetSecretValue"), 3);
}

#[tokio::test]
async fn throttled_until_the_deadline_names_the_last_error() {
    let stage = Stage::with_secret("value").await;
    stage.fail("GetSecretValue", Kind::throttle());
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
    let stage = Stage::with_secret("value").await;
    stage.fail_times(
        "AssumeRoleWithWebIdentity",
        Kind::error(400, "Throttling", "Rate exceeded"),
        2,
    );
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
}

#[tokio::test]
async fn dropped_connections_and_broken_answers_are_tried_again() {
    let stage = Stage::with_secret("value").await;
    for kind in [
        Kind::Drop,
        Kind::DropMidBody,
        Kind::error(503, "ServiceUnavailable", "later"),
    ] {
        stage.fail_times("GetSecretValue", kind, 1);
    }
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
}

#[tokio::test]
async fn answers_of_5xx_are_waited_out_for_a_while() {
    let stage = Stage::with_secret("value").await;
    stage.fail_times("GetSecretValue", Kind::error(503, "Odd", "broken"), 4);
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
    let stage = Stage::with_secret("value").await;
    stage.fail("GetSecretValue", Kind::error(500, "Odd", "broken"));
    let outcome = stage.fetch(&[], ENTRY).await;
    outcome.assert_error(&[
        "Odd: broken; retrying for",
        "objects[0] \"a\": Secrets Manager in us-east-2: Odd: broken",
    ]);
}

#[tokio::test]
async fn a_truncated_answer_is_an_error_that_does_not_quote_it() {
    let stage = Stage::with_secret("value").await;
    stage
        .seed()
        .secret("long", &"hunter2 ".repeat(100))
        .await
        .unwrap();
    stage.fail_when(When::object("long"), Kind::Truncate);
    let outcome = stage
        .fetch(&[], "- {objectName: long, objectType: secretsmanager}")
        .await;
    outcome.assert_error(&["objects[0] \"long\"", "the response cannot be parsed"]);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[tokio::test]
async fn access_denied_says_what_to_allow_and_is_not_tried_again() {
    let stage = Stage::with_secret("value").await;
    stage.fail("GetSecretValue", Kind::access_denied());
    stage.fetch(&[], ENTRY).await.assert_error(&[
        "class \"db\": objects[0] \"a\": Secrets Manager in us-east-2: AccessDeniedException",
        "allow secretsmanager:GetSecretValue",
    ]);
    assert_eq!(stage.count("GetSecretValue"), 1);
}

#[tokio::test]
async fn every_failed_object_is_named_and_nothing_is_written() {
    let stage = Stage::with_secret("value").await;
    let outcome = stage.fetch(&[], &format!("{ENTRY}\n- {{objectName: b, objectType: secretsmanager}}\n- {{objectName: /p, objectType: ssmparameter}}\n- {{objectName: a, objectType: secretsmanager, objectAlias: x, jmesPath: [{{path: k, objectAlias: y}}]}}")).await;
    outcome.assert_error(&[
        "objects[1] \"b\": Secrets Manager in us-east-2: ResourceNotFoundException",
        "objects[2] \"/p\": Parameter Store in us-east-2: InvalidParameters",
        "objects[3] \"a\": jmesPath: the value is not JSON",
    ]);
    assert!(!outcome.stderr.contains("objects[0]"), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let stage = Stage::with_secret("value").await;
    stage.fail_times("GetSecretValue", Kind::Late(Duration::from_secs(2)), 1);
    stage
        .fetch(&[], ENTRY)
        .await
        .assert_files(&[("a", "value")]);
    assert_eq!(stage.count("GetSecretValue"), 1);
}

#[tokio::test]
async fn no_answer_ends_at_the_deadline() {
    let stage = Stage::with_secret("value").await;
    stage.fail("GetSecretValue", Kind::Hang);
    stage
        .fetch_with(&[], ENTRY, |command| command.args(["--timeout", "2s"]))
        .await
        .assert_error(&[
            "objects[0] \"a\"",
            "no response within 2 s (--timeout)",
            "network policies",
        ]);
}

#[tokio::test]
async fn a_failed_fetch_leaves_the_files_of_the_last_one() {
    let stage = Stage::with_secret("value").await;
    assert!(stage.fetch(&[], ENTRY).await.success);
    stage.fail("GetSecretValue", Kind::access_denied());
    let outcome = stage.fetch(&[], ENTRY).await;
    assert!(!outcome.success);
    assert_eq!(outcome.files["a"], b"value");
}

#[tokio::test]
async fn no_other_credentials_are_ever_used() {
    let stage = Stage::with_secret("value").await;
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
        .fetch_with(&POD_IDENTITY, ENTRY, |command| command)
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
        .seed(AGENT_ACCOUNT, REGION)
        .secret("a", "value")
        .await
        .unwrap();
    stage.fail_times(
        "PodIdentityCredentials",
        Kind::error(400, "", "no association for this ServiceAccount"),
        1,
    );
    let outcome = stage.fetch_with_agent(ENTRY).await;
    outcome.assert_error(&[
        "the EKS Pod Identity agent: HTTP status 400: no association",
        "create a Pod Identity association",
    ]);
    stage.fail_times(
        "PodIdentityCredentials",
        Kind::error(500, "", "starting"),
        1,
    );
    let outcome = stage.fetch_with_agent(ENTRY).await;
    outcome.assert_files(&[("a", "value")]);
}

#[tokio::test]
async fn a_fetch_that_is_told_to_end_ends_at_once_and_writes_nothing() {
    let stage = Stage::with_secret("value").await;
    stage.fail("GetSecretValue", Kind::Hang);
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
    until(|| stage.count("GetSecretValue") > 0).await;
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
        stderr.contains("terminated before the secrets were written"),
        "{stderr}"
    );
    assert!(!stage.mount().exists());
}
