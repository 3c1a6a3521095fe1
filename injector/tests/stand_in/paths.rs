//! `objectPath`: all parameters below a path.

use aws_stand_in::{Kind, When};
use serde_json::json;

use crate::check::{check, text};
use crate::running::until;
use crate::support::{FAILOVER, Stage, class};

const APP: &str = "- {objectPath: /app, objectType: ssmparameter}";
const DIRECTORIES: [(&str, &str); 1] = [("pathTranslation", "False")];

/// Parameters with their names as values.
async fn stage(names: &[&str]) -> Stage {
    let stage = Stage::start().await;
    for name in names {
        stage.seed().parameter(name, name).await.unwrap();
    }
    stage
}

/// The calls for paths.
fn paths(stage: &Stage) -> Vec<String> {
    let mut calls = stage.calls();
    calls.retain(|call| call.starts_with("GetParametersByPath"));
    calls
}

#[tokio::test]
async fn twenty_five_parameters_of_two_levels_are_files_by_calls_of_ten() {
    let mut names: Vec<String> = (0..20).map(|n| format!("/app/p{n:02}")).collect();
    names.extend((0..5).map(|n| format!("/app/db/q{n}")));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = stage(&names).await;
    stage
        .seed()
        .parameter("/application/x", "no")
        .await
        .unwrap();
    let outcome = stage
        .fetch(&DIRECTORIES, &APP.replace("/app", "/app/"))
        .await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(outcome.files.len(), 25);
    assert_eq!(outcome.files["p07"], b"/app/p07");
    assert_eq!(outcome.files["db/q4"], b"/app/db/q4");
    // One call for the credentials, and one for each ten parameters.
    assert_eq!(paths(&stage), ["GetParametersByPath /app"; 3]);
    assert_eq!(stage.calls().len(), 1 + 3);
    let one_level = APP.replace("/app", "/app, recursive: false");
    let outcome = stage.fetch(&[], &one_level).await;
    assert_eq!(outcome.files.len(), 20, "{}", outcome.stderr);
}

#[tokio::test]
async fn an_empty_page_is_not_the_last_one() {
    let stage = stage(&["/app/a"]).await;
    let answer = json!({"Parameters": [], "NextToken": "0"});
    stage.fail_times("GetParametersByPath", Kind::Answer(answer), 1);
    let outcome = stage.fetch(&[], APP).await;
    outcome.assert_files(&[("a", "/app/a")]);
    assert_eq!(paths(&stage).len(), 2);
}

#[tokio::test]
async fn pages_without_end_are_an_error() {
    let stage = stage(&[]).await;
    let page: Vec<_> = (0..10)
        .map(|n| json!({"Name": format!("/app/{n}"), "Value": "v", "Version": 1}))
        .collect();
    let answer = json!({"Parameters": page, "NextToken": "again"});
    stage.fail("GetParametersByPath", Kind::Answer(answer));
    let outcome = stage.fetch(&[], APP).await;
    outcome.assert_error(&[
        "objects[0] \"/app\": Parameter Store in us-east-2: TooManyParameters: there are more than 1000 parameters below this path; use a longer path",
    ]);
}

#[tokio::test]
async fn overlapping_paths_are_asked_once() {
    let stage = stage(&["/app/db/user", "/app/mail", "/other/x"]).await;
    let objects = "- {objectPath: /app/db, objectType: ssmparameter, objectAlias: db}
- {objectPath: /app, objectType: ssmparameter}
- {objectPath: /app, objectType: ssmparameter, recursive: false, objectAlias: first}
- {objectPath: /other, objectType: ssmparameter}";
    let outcome = stage
        .fetch(
            &DIRECTORIES,
            &objects.replace(
                "\n- {objectPath: /app, objectType: ssmparameter}",
                "\n- {objectPath: /app, objectType: ssmparameter, objectAlias: all}",
            ),
        )
        .await;
    outcome.assert_files(&[
        ("all/db/user", "/app/db/user"),
        ("all/mail", "/app/mail"),
        ("db/user", "/app/db/user"),
        ("first/mail", "/app/mail"),
        ("x", "/other/x"),
    ]);
    assert_eq!(
        paths(&stage),
        ["GetParametersByPath /app", "GetParametersByPath /other"]
    );
}

#[tokio::test]
async fn a_label_selects_versions() {
    let stage = stage(&["/app/a", "/app/b"]).await;
    stage.seed().parameter("/app/a", "new").await.unwrap();
    let label = json!({"Name": "/app/a", "ParameterVersion": 1, "Labels": ["live"]});
    let seed = stage.seed();
    seed.json("ssm", "LabelParameterVersion", &label)
        .await
        .unwrap();
    let objects = APP.replace("/app", "/app, objectVersionLabel: live");
    stage.fetch(&[], &objects).await;
    let calls = stage.aws.calls();
    let call = calls
        .iter()
        .find(|call| call.operation == "GetParametersByPath");
    assert_eq!(call.unwrap().objects, ["/app", "Label=live"]);
}

#[tokio::test]
async fn none_found_is_an_error_unless_optional() {
    let stage = stage(&["/application/a", "/b"]).await;
    let outcome = stage.fetch(&[], APP).await;
    outcome.assert_error(&[
        "objects[0] \"/app\": Parameter Store in us-east-2: InvalidParameters: Parameter Store has no parameter below this path; create a parameter below it",
    ]);
    let objects = format!(
        "{}\n- {{objectName: /b, objectType: ssmparameter}}",
        APP.replace("/app", "/app, optional: true")
    );
    let outcome = stage.fetch(&[], &objects).await;
    outcome.assert_files(&[("_b", "/b")]);
    assert!(
        outcome.stderr.contains("objects[0] \"/app\": is not found"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn a_denied_path_says_which_right_is_missing_and_fails_over() {
    let stage = stage(&["/app/a"]).await;
    let other = stage.seed_other_region();
    other.parameter("/there/a", "there").await.unwrap();
    let denied = Kind::error(
        400,
        "AccessDeniedException",
        "User: x is not authorized to perform: ssm:GetParametersByPath on resource: arn:aws:ssm:us-east-2:111122223333:parameter/app because no identity-based policy allows it",
    );
    stage.fail_when(When::region("us-east-2"), denied);
    let outcome = stage.fetch(&[], APP).await;
    outcome.assert_error(&["allow ssm:GetParametersByPath on this path"]);
    let objects = APP.replace("/app", "/app, failoverObject: {objectPath: /there}");
    let outcome = stage.fetch(&FAILOVER, &objects).await;
    outcome.assert_files(&[("a", "there")]);
}

#[tokio::test]
async fn a_second_role_reads_the_path() {
    let stage = Stage::start().await;
    let seed = stage.aws.seed("444455556666", "us-east-2");
    seed.parameter("/app/a", "theirs").await.unwrap();
    let role = [("assumeRoleArn", "arn:aws:iam::444455556666:role/reader")];
    stage
        .fetch(&role, APP)
        .await
        .assert_files(&[("a", "theirs")]);
}

#[tokio::test]
async fn parts_keys_and_encodings_apply_to_each_parameter() {
    let stage = Stage::start().await;
    for name in ["a", "b/c"] {
        let value = format!(r#"{{"user": "{name}", "port": 1.10}}"#);
        let seed = stage.seed();
        seed.parameter(&format!("/app/{name}"), &value)
            .await
            .unwrap();
    }
    let objects = "- objectPath: /app
  objectType: ssmparameter
  wholeFile: false
  jmesPath: [{path: user, objectAlias: name}]
  jsonKeys: {prefix: key-}";
    let outcome = stage.fetch(&DIRECTORIES, objects).await;
    outcome.assert_files(&[
        ("a/key-port", "1.10"),
        ("a/key-user", "a"),
        ("a/name", "a"),
        ("b/c/key-port", "1.10"),
        ("b/c/key-user", "b/c"),
        ("b/c/name", "b/c"),
    ]);
    stage.seed().parameter("/app/b/d", "no json").await.unwrap();
    let outcome = stage.fetch(&DIRECTORIES, objects).await;
    let words = "objects[0] \"/app/b/d\": jmesPath: the value is not JSON";
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    let objects = APP.replace("/app", "/app, objectEncoding: base64");
    let outcome = stage.fetch(&[], &objects).await;
    let words = "objects[0] \"/app/a\": objectEncoding: the value is not base64";
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
}

#[tokio::test]
async fn parameters_that_come_and_go_add_and_remove_files() {
    let stage = stage(&["/app/a", "/app/b"]).await;
    let refresh = stage.fetch_and_refresh(&[], APP).await;
    let seed = stage.seed();
    seed.parameter("/app/c", "new").await.unwrap();
    until(|| stage.file("c") == "new").await;
    refresh.says("new version: ssm /app a:1,b:1,c:1").await;
    let gone = json!({"Name": "/app/a"});
    seed.json("ssm", "DeleteParameter", &gone).await.unwrap();
    refresh.says("files changed class=\"db\" files=\"a\"").await;
    until(|| !stage.mount().join("a").exists()).await;
    assert_eq!(
        (stage.file("b"), stage.file("c")),
        ("/app/b".into(), "new".into())
    );
    for name in ["/app/b", "/app/c"] {
        let gone = json!({"Name": name});
        seed.json("ssm", "DeleteParameter", &gone).await.unwrap();
    }
    refresh
        .says("refresh failed: class \"db\": objects[0] \"/app\"")
        .await;
    assert_eq!(stage.file("c"), "new");
}

#[test]
fn check_shows_the_pattern_the_policy_and_what_to_know() {
    let file = class("db", &[], APP);
    let (output, _folder) = check(&file, &[]);
    let printed = text(&output.stdout);
    let line: Vec<&str> = printed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        line.join(" "),
        "<each parameter> 0644 parameters below /app"
    );
    assert!(printed.contains("\"ssm:GetParametersByPath\""), "{printed}");
    let (output, _folder) = check(&file, &["--policy"]);
    let policy: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let statement = &policy["Statement"][0];
    assert_eq!(statement["Resource"][0], "arn:aws:ssm:*:*:parameter/app");
    let notes = text(&output.stderr);
    assert!(
        notes.contains("even those that another statement denies explicitly"),
        "{notes}"
    );
    assert!(
        notes.contains("the AWS provider for the Secrets Store CSI Driver refuses this class"),
        "{notes}"
    );
}

#[tokio::test]
async fn a_file_may_become_a_directory_and_a_directory_a_file() {
    let stage = stage(&["/app/mail", "/app/db/host"]).await;
    let _refresh = stage.fetch_and_refresh(&DIRECTORIES, APP).await;
    assert_eq!(stage.file("mail"), "/app/mail");
    assert_eq!(stage.file("db/host"), "/app/db/host");
    let seed = stage.seed();
    for name in ["/app/mail", "/app/db/host"] {
        let name = json!({"Name": name});
        seed.json("ssm", "DeleteParameter", &name).await.unwrap();
    }
    for name in ["/app/mail/host", "/app/db"] {
        seed.parameter(name, name).await.unwrap();
    }
    until(|| stage.file("mail/host") == "/app/mail/host").await;
    until(|| stage.file("db") == "/app/db").await;
}
