//! What becomes of values: the real program, asking a real server, writing real files.

use std::os::unix::fs::PermissionsExt as _;

use aws_stand_in::{Kind, When};
use serde_json::json;

use crate::support::{AGENT_ACCOUNT, ENTRY, POD_IDENTITY, REGION, Stage, class};

#[tokio::test]
async fn strings_bytes_large_and_empty_values_are_written_as_they_are() {
    let stage = Stage::start().await;
    let large = "x".repeat(64 * 1024);
    let seed = stage.seed();
    seed.secret("plain", "välue\n").await.unwrap();
    seed.secret("large", &large).await.unwrap();
    seed.binary_secret("bytes", "AP8KAA==").await.unwrap();
    seed.parameter("/app/ünïcode", "пароль").await.ok();
    seed.parameter("/app/db", "parameter").await.unwrap();
    let outcome = stage
        .fetch(
            &[],
            "- {objectName: plain, objectType: secretsmanager, objectAlias: ключ}
- {objectName: large, objectType: secretsmanager}
- {objectName: bytes, objectType: secretsmanager, filePermission: 0400}
- {objectName: /app/db, objectType: ssmparameter}
",
        )
        .await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(outcome.files["ключ"], "välue\n".as_bytes());
    assert_eq!(outcome.files["large"], large.as_bytes());
    assert_eq!(outcome.files["bytes"], [0, 255, 10, 0]);
    assert_eq!(outcome.files["_app_db"], b"parameter");
    let mode = |name: &str| {
        std::fs::metadata(stage.mount().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!((mode("bytes"), mode("large")), (0o400, 0o644));
}

#[tokio::test]
async fn an_empty_secret_is_an_empty_file() {
    let stage = Stage::start().await;
    // moto takes an empty value for a missing one.
    let answer = Kind::Answer(json!({"Name": "empty", "SecretString": ""}));
    stage.fail_when(When::object("empty"), answer);
    stage
        .fetch(&[], "- {objectName: empty, objectType: secretsmanager}")
        .await
        .assert_files(&[("empty", "")]);
}

#[tokio::test]
async fn versions_and_labels_choose_the_value() {
    let stage = Stage::start().await;
    let seed = stage.seed();
    let first = seed.secret("s", "one").await.unwrap();
    seed.update_secret("s", "two").await.unwrap();
    for value in ["p1", "p2", "p3"] {
        seed.parameter("/p", value).await.unwrap();
    }
    seed.json(
        "ssm",
        "LabelParameterVersion",
        &json!({"Name": "/p", "ParameterVersion": 2, "Labels": ["live"]}),
    )
    .await
    .unwrap();
    let version = first["VersionId"].as_str().unwrap();
    let outcome = stage
        .fetch(
            &[],
            &format!(
                "- {{objectName: s, objectType: secretsmanager}}
- {{objectName: s, objectType: secretsmanager, objectVersionLabel: AWSPREVIOUS, objectAlias: previous}}
- {{objectName: s, objectType: secretsmanager, objectVersion: {version}, objectAlias: pinned}}
- {{objectName: /p, objectType: ssmparameter}}
- {{objectName: /p, objectType: ssmparameter, objectVersion: 1, objectAlias: p1}}
- {{objectName: /p, objectType: ssmparameter, objectVersionLabel: live, objectAlias: p-live}}
- {{objectName: \"/p:2\", objectType: ssmparameter}}
"
            ),
        )
        .await;
    outcome.assert_files(&[
        ("_p", "p3"),
        ("_p:2", "p2"),
        ("p-live", "p2"),
        ("p1", "p1"),
        ("pinned", "one"),
        ("previous", "one"),
        ("s", "two"),
    ]);
}

#[tokio::test]
async fn arns_are_names_and_equal_requests_are_sent_once() {
    let stage = Stage::start().await;
    let seed = stage.seed();
    let secret = seed
        .secret("a/b", r#"{"port": 5432, "host": "db"}"#)
        .await
        .unwrap();
    seed.parameter("/app/db", "parameter").await.unwrap();
    let arn = secret["ARN"].as_str().unwrap();
    let outcome = stage
        .fetch(
            &[],
            &format!(
                "- {{objectName: \"{arn}\", objectAlias: one, jmesPath: [{{path: port, objectAlias: port}}]}}
- {{objectName: \"{arn}\", objectAlias: two, jmesPath: [{{path: host, objectAlias: host}}]}}
- {{objectName: \"arn:aws:ssm:us-east-2:111122223333:parameter/app/db\", objectAlias: parameter}}
"
            ),
        )
        .await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(
        (
            outcome.files["port"].as_slice(),
            outcome.files["host"].as_slice()
        ),
        (&b"5432"[..], &b"db"[..])
    );
    assert_eq!(outcome.files["one"], outcome.files["two"]);
    assert_eq!(
        stage.calls(),
        [
            "AssumeRoleWithWebIdentity".to_owned(),
            "GetParameters arn:aws:ssm:us-east-2:111122223333:parameter/app/db".to_owned(),
            format!("GetSecretValue {arn}")
        ]
    );
}

#[tokio::test]
async fn parameters_are_asked_for_by_tens() {
    let stage = Stage::start().await;
    let seed = stage.seed();
    let mut objects = String::new();
    for number in 0..23 {
        seed.parameter(&format!("/p/{number}"), &number.to_string())
            .await
            .unwrap();
        objects += &format!("- {{objectName: /p/{number}, objectType: ssmparameter}}\n");
    }
    let outcome = stage.fetch(&[("pathTranslation", "False")], &objects).await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(outcome.files.len(), 23);
    assert_eq!(outcome.files["p/17"], b"17");
    assert_eq!(
        stage
            .aws
            .calls()
            .iter()
            .filter(|call| call.operation == "GetParameters")
            .count(),
        3
    );
}

#[tokio::test]
async fn a_file_may_hold_several_classes_and_several_files_may_be_given() {
    let stage = Stage::start().await;
    let seed = stage.seed();
    for name in ["a", "b", "c"] {
        seed.secret(name, name).await.unwrap();
    }
    let entry = |name: &str| {
        class(
            name,
            &[],
            &format!("- {{objectName: {name}, objectType: secretsmanager}}"),
        )
    };
    std::fs::write(
        stage.path("two.yaml"),
        format!("---\n{}---\n{}", entry("a"), entry("b")),
    )
    .unwrap();
    std::fs::write(stage.path("one.yaml"), entry("c")).unwrap();
    let mut command = stage.command();
    command
        .arg("fetch")
        .arg("--class-file")
        .arg(stage.path("two.yaml"))
        .arg("--class-file")
        .arg(stage.path("one.yaml"))
        .arg("--mount-path")
        .arg(stage.mount());
    stage
        .run(command)
        .await
        .assert_files(&[("a", "a"), ("b", "b"), ("c", "c")]);
    assert_eq!(
        stage
            .calls()
            .iter()
            .filter(|call| call.starts_with("AssumeRole"))
            .count(),
        1,
        "one role, one exchange"
    );
}

#[tokio::test]
async fn the_snapshot_of_the_environment_names_its_own_directories() {
    let stage = Stage::start().await;
    stage.seed().secret("a", "1").await.unwrap();
    let mount = |name: &str| stage.mount().join(name).display().to_string();
    let snapshot = json!([
        {"name": "x", "mountPath": mount("x"), "parameters": {"objects": "- {objectName: a, objectType: secretsmanager}"}},
        {"name": "y", "mountPath": mount("y"), "parameters": {"objects": "- {objectName: a, objectType: secretsmanager, objectAlias: b}"}},
    ]);
    let mut command = stage.command();
    command
        .arg("fetch")
        .env("SECRET_PROVIDER_CLASSES", snapshot.to_string());
    stage
        .run(command)
        .await
        .assert_files(&[("x/a", "1"), ("y/b", "1")]);
}

#[tokio::test]
async fn a_second_role_is_assumed_with_the_pods_own_credentials() {
    let stage = Stage::start().await;
    stage
        .aws
        .seed("444455556666", REGION)
        .secret("theirs", "value")
        .await
        .unwrap();
    let parameters = [
        ("assumeRoleArn", "arn:aws:iam::444455556666:role/reader"),
        ("assumeRoleExternalId", "shop"),
        ("assumeRoleDurationSeconds", "900"),
        ("assumeRoleSessionTags", "pod, namespace, serviceAccount"),
    ];
    let outcome = stage
        .fetch_with(
            &parameters,
            "- {objectName: theirs, objectType: secretsmanager}",
            |command| {
                command
                    .env("POD_NAMESPACE", "shop")
                    .env("POD_SERVICE_ACCOUNT", "web")
                    .env("POD_NAME", "web-1")
            },
        )
        .await;
    outcome.assert_files(&[("theirs", "value")]);
    let calls = stage.aws.calls();
    let operations: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(
        operations,
        ["AssumeRoleWithWebIdentity", "AssumeRole", "GetSecretValue"]
    );
    assert_eq!(
        calls[1].role.as_deref(),
        Some("arn:aws:iam::444455556666:role/reader")
    );
    assert_eq!(calls[1].session.as_deref(), Some("shop.web-1"));
    assert_eq!(
        calls[1].tags,
        [
            "kubernetes-namespace=shop",
            "kubernetes-service-account=web",
            "kubernetes-pod-name=web-1"
        ]
    );
    assert_eq!(calls[0].tags, [] as [&str; 0]);
}

#[tokio::test]
async fn pod_identity_asks_the_agent_and_never_sts() {
    let stage = Stage::start().await;
    stage
        .aws
        .seed(AGENT_ACCOUNT, REGION)
        .secret("a", "1")
        .await
        .unwrap();
    let agent = stage.agent_variables();
    let outcome = stage
        .fetch_with(&POD_IDENTITY, ENTRY, |command| {
            command.env_remove("AWS_ROLE_ARN").envs(agent)
        })
        .await;
    outcome.assert_files(&[("a", "1")]);
    assert_eq!(
        stage.calls(),
        ["GetSecretValue a", "PodIdentityCredentials"]
    );
}

#[tokio::test]
async fn the_termination_message_names_the_version_of_each_object_and_no_value() {
    let stage = Stage::start().await;
    let seed = stage.seed();
    seed.secret("shop/db", "marked-value").await.unwrap();
    seed.parameter("/shop/mail", "marked-value").await.unwrap();
    let file = stage.path("termination-log");
    // As the kubelet makes it for a container that runs a second time.
    std::fs::write(&file, "longer than what comes now".repeat(20)).unwrap();
    let entries = "- {objectName: shop/db, objectType: secretsmanager}
- {objectName: /shop/mail, objectType: ssmparameter}
";
    let outcome = stage
        .fetch_with(&[], entries, |command| {
            command.arg("--termination-message").arg(&file)
        })
        .await;
    assert!(outcome.success, "{}", outcome.stderr);
    let message = std::fs::read_to_string(&file).unwrap();
    let [secret, parameter] = message.lines().collect::<Vec<_>>()[..] else {
        panic!("{message}");
    };
    let id = secret.strip_prefix("secretsmanager shop/db ").unwrap();
    assert_eq!(id.len(), 36, "{secret}");
    assert_eq!(parameter, "ssm /shop/mail 1");
}

#[tokio::test]
async fn a_termination_message_that_cannot_be_written_fails_nothing() {
    let stage = Stage::start().await;
    stage.seed().secret("db", "value").await.unwrap();
    let file = stage.path("no/such/file");
    let outcome = stage
        .fetch_with(
            &[],
            "- {objectName: db, objectType: secretsmanager}",
            |command| command.arg("--termination-message").arg(&file),
        )
        .await;
    outcome.assert_files(&[("db", "value")]);
    assert!(
        outcome.stderr.contains("termination message"),
        "{}",
        outcome.stderr
    );
}
