//! `templates`: files that are made of others.

use crate::check::{check, text};
use crate::running::until;
use crate::support::{Stage, class};

const OBJECTS: &str = "- objectName: a
  objectType: secretsmanager
  wholeFile: false
  jsonKeys: true
- {objectName: b, objectType: secretsmanager, optional: true}";

/// A class with templates in a literal block.
fn parameters(templates: &str) -> [(&'static str, &str); 1] {
    [("templates", templates)]
}

const URL: &str = "- objectAlias: url
  template: postgres://{{ files[\"user\"]|urlencode }}:{{ files[\"password\"]|urlencode }}@db/shop
- objectAlias: all.json
  filePermission: \"0400\"
  format: json
";
const SECRET: &str = r#"{"user": "app", "password": "p@ss/w:rd '$&"}"#;

#[tokio::test]
async fn a_database_url_holds_any_password() {
    let stage = Stage::with_secret(SECRET).await;
    let outcome = stage.fetch(&parameters(URL), OBJECTS).await;
    assert!(outcome.success, "{}", outcome.stderr);
    let file = |name: &str| String::from_utf8(outcome.files[name].clone()).unwrap();
    assert_eq!(
        file("url"),
        "postgres://app:p%40ss%2Fw%3Ard%20%27%24%26@db/shop"
    );
    assert_eq!(
        file("all.json"),
        "{\n  \"password\": \"p@ss/w:rd '$&\",\n  \"user\": \"app\"\n}\n"
    );
}

#[tokio::test]
async fn a_template_that_fails_says_where_and_shows_no_value() {
    let stage = Stage::with_secret(r#"{"user": "hunter2"}"#).await;
    let outcome = stage.fetch(&parameters(URL), OBJECTS).await;
    outcome.assert_error(&[
        "class \"db\": templates[0].template: needs the file \"password\", which does not exist",
        "(line 1, column 42 of the template)",
    ]);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_refresh_renders_one_consistent_set() {
    let stage = Stage::with_secret(SECRET).await;
    let templates = "- {objectAlias: url, template: \"{{ files['user'] }}-{{ files['b'] | default('none') }}\"}";
    let refresh = stage
        .fetch_and_refresh(&parameters(templates), OBJECTS)
        .await;
    assert_eq!(stage.file("url"), "app-none");
    stage.seed().secret("b", "new").await.unwrap();
    until(|| stage.file("url") == "app-new").await;
    refresh
        .says("files changed class=\"db\" files=\"b, url\"")
        .await;
    assert_eq!(stage.file("user"), "app");
    stage
        .seed()
        .update_secret("a", r#"{"user": "other"}"#)
        .await
        .unwrap();
    until(|| stage.file("url") == "other-new").await;
    assert_eq!(
        (stage.file("user"), stage.file("b")),
        ("other".into(), "new".into())
    );
}

#[tokio::test]
async fn a_template_is_a_file_even_if_there_is_no_other() {
    let stage = Stage::start().await;
    let templates = "- {objectAlias: flags, template: \"{{ files['b'] | default('none') }}\"}";
    let objects = "- {objectName: b, objectType: secretsmanager, optional: true}";
    let outcome = stage.fetch(&parameters(templates), objects).await;
    outcome.assert_files(&[("flags", "none")]);
    let refresh = stage
        .fetch_and_refresh(&parameters(templates), objects)
        .await;
    stage.seed().secret("b", "on").await.unwrap();
    until(|| stage.file("flags") == "on").await;
    let log = refresh.log();
    assert_eq!(log.matches("is not found").count(), 0, "{log}");
}

/// What the value no longer has must not live on in a file that was made of it.
#[tokio::test]
async fn a_part_that_goes_is_gone_from_the_template_too() {
    let stage = Stage::with_secret(r#"{"token": "revoked"}"#).await;
    let templates = "- {objectAlias: header, template: \"{{ files['token'] | default('none') }}\"}";
    let objects = "- objectName: a
  objectType: secretsmanager
  wholeFile: false
  jmesPath: [{path: token, objectAlias: token, optional: true}]";
    let _refresh = stage
        .fetch_and_refresh(&parameters(templates), objects)
        .await;
    assert_eq!(stage.file("header"), "revoked");
    stage.seed().update_secret("a", "{}").await.unwrap();
    until(|| stage.file("header") == "none").await;
    assert!(!stage.mount().join("token").exists());
}

#[tokio::test]
async fn a_variable_may_be_a_template() {
    let stage = Stage::with_secret("one").await;
    let mut fetch = stage.injected("fetch", &[], "kubelet", &[("URL", "url")]);
    let snapshot = serde_json::json!([{
        "name": "db",
        "mountPath": stage.mount(),
        "parameters": {
            "objects": "- {objectName: a, objectType: secretsmanager}",
            "templates": "- {objectAlias: url, template: \"x-{{ files['a'] }}\"}",
        },
    }]);
    fetch.env("SECRET_PROVIDER_CLASSES", snapshot.to_string());
    let outcome = stage.run(fetch).await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(stage.env_file(), "URL='x-one'\n");
}

#[test]
fn check_shows_templates_and_their_mistakes_with_lines() {
    let (output, _folder) = check(&class("db", &parameters(URL), OBJECTS), &[]);
    let printed = text(&output.stdout);
    assert!(
        printed.contains("all.json    0400  template 1"),
        "{printed}"
    );
    let file = class("db", &[], OBJECTS)
        + "    templates: |\n      - objectAlias: x\n        template: \"{{ files['user'] }}\"\n      - objectAlias: y\n        template: \"{{ user }}\"\n";
    let (output, _folder) = check(&file, &[]);
    let errors = text(&output.stderr);
    let line = file
        .lines()
        .position(|line| line.contains("{{ user }}"))
        .unwrap()
        + 1;
    let words = format!(
        "class.yaml:{line}: class \"db\": templates[1].template: has a placeholder that names no file"
    );
    assert!(errors.contains(&words), "{errors}");
}
