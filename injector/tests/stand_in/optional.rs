//! Optional objects and parts, encodings, and values without a file of their own.

use aws_stand_in::{Kind, When};
use serde_json::json;

use crate::running::until;
use crate::support::{FAILOVER, OTHER_REGION, Stage};

const OBJECTS: &str = "- {objectName: a, objectType: secretsmanager}
- {objectName: b, objectType: secretsmanager, optional: true}
- {objectName: /p, objectType: ssmparameter, objectAlias: p, optional: true}";

#[tokio::test]
async fn what_is_optional_and_not_found_is_no_file_and_a_line() {
    let stage = Stage::with_secret("one").await;
    let outcome = stage.fetch(&[], OBJECTS).await;
    outcome.assert_files(&[("a", "one")]);
    for name in ["objects[1] \"b\"", "objects[2] \"/p\""] {
        let line = format!(
            "class \"db\": {name}: is not found; its files are missing, because it is optional"
        );
        assert!(outcome.stderr.contains(&line), "{}", outcome.stderr);
    }
    let labels =
        "- {objectName: a, objectType: secretsmanager, objectVersionLabel: none, optional: true}
- {objectName: a, objectType: secretsmanager, objectAlias: x}";
    stage.fetch(&[], labels).await.assert_files(&[("x", "one")]);
}

#[tokio::test]
async fn an_optional_object_that_is_refused_is_an_error() {
    let stage = Stage::with_secret("one").await;
    stage.seed().secret("b", "two").await.unwrap();
    for kind in [
        Kind::access_denied(),
        Kind::error(400, "AccessDeniedException", "Access to KMS is not allowed"),
        Kind::error(400, "DecryptionFailure", "no"),
    ] {
        stage.fail_when(When::object("b"), kind);
        let outcome = stage.fetch(&[], OBJECTS).await;
        outcome.assert_error(&["objects[1] \"b\": Secrets Manager in us-east-2"]);
        stage.aws.heal();
    }
    let twice = "- {objectName: b2, objectType: secretsmanager, optional: true}
- {objectName: b2, objectType: secretsmanager, objectAlias: x}";
    let outcome = stage.fetch(&[], twice).await;
    outcome.assert_error(&["objects[1] \"b2\"", "ResourceNotFoundException"]);
}

#[tokio::test]
async fn in_the_failover_region_an_optional_object_may_be_missing_too() {
    let stage = Stage::start().await;
    let other = stage.seed_other_region();
    other.secret("a", "there").await.unwrap();
    stage.fail_when(
        When::region("us-east-2"),
        Kind::error(500, "InternalServiceError", "broken"),
    );
    let objects = "- {objectName: a, objectType: secretsmanager}
- {objectName: b, objectType: secretsmanager, optional: true}";
    let outcome = stage.fetch(&FAILOVER, objects).await;
    outcome.assert_files(&[("a", "there")]);
    assert!(outcome.stderr.contains(OTHER_REGION), "{}", outcome.stderr);
}

#[tokio::test]
async fn parts_are_optional_decoded_and_need_no_whole_file() {
    let stage = Stage::with_secret(r#"{"key": "aGk=", "hex": "00ff"}"#).await;
    let objects = "- objectName: a
  objectType: secretsmanager
  wholeFile: false
  jmesPath:
    - {path: key, objectAlias: key, objectEncoding: base64}
    - {path: hex, objectAlias: hex, objectEncoding: hex}
    - {path: none, objectAlias: none, optional: true}";
    let outcome = stage.fetch(&[], objects).await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(outcome.files.len(), 2);
    assert_eq!(outcome.files["key"], b"hi");
    assert_eq!(outcome.files["hex"], [0, 255]);
    let outcome = stage
        .fetch(&[], &objects.replace(", optional: true", ""))
        .await;
    assert!(!outcome.success);
    let words = "jmesPath[2]: path \"none\" for the file \"none\" finds nothing";
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_refresh_adds_an_optional_object_and_keeps_its_last_file() {
    let stage = Stage::with_secret("one").await;
    let refresh = stage.fetch_and_refresh(&[], OBJECTS).await;
    assert_eq!(refresh.log().matches("is not found").count(), 0);
    stage.seed().secret("b", "two").await.unwrap();
    until(|| stage.file("b") == "two").await;
    refresh.says("files changed class=\"db\" files=\"b\"").await;
    stage.seed().parameter("/p", "three").await.unwrap();
    until(|| stage.file("p") == "three").await;
    stage
        .seed()
        .json(
            "secretsmanager",
            "DeleteSecret",
            &serde_json::json!({"SecretId": "b", "ForceDeleteWithoutRecovery": true}),
        )
        .await
        .unwrap();
    refresh
        .says("objects[1] \"b\": is no longer found; keeping its files")
        .await;
    stage.seed().update_secret("a", "changed").await.unwrap();
    until(|| stage.file("a") == "changed").await;
    assert_eq!(
        (stage.file("b"), stage.file("p")),
        ("two".into(), "three".into())
    );
    let wrong = refresh.log().contains("refresh failed");
    assert!(!wrong, "{}", refresh.log());
}

#[tokio::test]
async fn a_missing_optional_object_is_asked_for_once_a_refresh() {
    let stage = Stage::with_secret("one").await;
    let refresh = stage.fetch_and_refresh(&[], OBJECTS).await;
    stage.more_calls("DescribeSecret", 2).await;
    let log = refresh.log();
    assert!(!log.contains("is not found"), "said by fetch: {log}");
    let about_b = stage
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.objects == ["b"]);
    assert!(
        about_b
            .into_iter()
            .all(|call| call.operation == "GetSecretValue")
    );
    drop(refresh);
}

#[tokio::test]
async fn a_variable_of_a_missing_optional_file_is_not_set() {
    let stage = Stage::with_secret("one").await;
    let items = [("A", "a"), ("B", "b")];
    let fetch = stage.injected("fetch", &[("db", OBJECTS)], "kubelet", &items);
    let outcome = stage.run(fetch).await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(stage.env_file(), "A='one'\n");
}

#[tokio::test]
async fn a_version_that_is_created_later_is_found_by_a_refresh() {
    let stage = Stage::start().await;
    let version = "0f2c1b7e5f624d0e9d3e0c5f5c0f7a11";
    let objects = format!(
        "- {{objectName: b, objectType: secretsmanager, objectVersion: {version}, optional: true}}"
    );
    let _refresh = stage.fetch_and_refresh(&[], &objects).await;
    let secret = json!({"Name": "b", "SecretString": "late", "ClientRequestToken": version});
    let seed = stage.seed();
    seed.json("secretsmanager", "CreateSecret", &secret)
        .await
        .unwrap();
    until(|| stage.file("b") == "late").await;
}
