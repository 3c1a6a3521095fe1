//! `jsonKeys`: files whose names are known only at fetch.

use crate::check::{check, text};
use crate::running::until;
use crate::support::{Stage, class};

const OBJECTS: &str =
    "- {objectName: a, objectType: secretsmanager, wholeFile: false, jsonKeys: {prefix: db/}}
- {objectName: b, objectType: secretsmanager}";
const DIRECTORIES: [(&str, &str); 1] = [("pathTranslation", "False")];

async fn stage(value: &str) -> Stage {
    let stage = Stage::with_secret(value).await;
    stage.seed().secret("b", "b").await.unwrap();
    stage
}

#[tokio::test]
async fn every_key_becomes_a_file() {
    let stage = stage(r#"{"user": "app", "port": 5432, "tls/key": "k", "none": null}"#).await;
    let outcome = stage.fetch(&DIRECTORIES, OBJECTS).await;
    outcome.assert_files(&[
        ("b", "b"),
        ("db/port", "5432"),
        ("db/tls/key", "k"),
        ("db/user", "app"),
    ]);
    let line =
        "WARN class \"db\": objects[0] \"a\": jsonKeys[\"none\"]: is null and becomes no file";
    let log = outcome
        .stderr
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(log.contains(line.trim_start_matches("WARN ")), "{log}");
}

#[tokio::test]
async fn a_key_that_leaves_the_mount_or_meets_another_file_is_an_error() {
    let stage = stage(r#"{"../../b": "hunter2"}"#).await;
    let outcome = stage.fetch(&DIRECTORIES, OBJECTS).await;
    outcome.assert_error(&[
        "class \"db\": objects[0] \"a\": jsonKeys[\"../../b\"]: cannot be a file: \"db/../../b\" leads out",
    ]);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    stage
        .seed()
        .update_secret("a", r#"{"b": "hunter2"}"#)
        .await
        .unwrap();
    let flat = OBJECTS.replace("{prefix: db/}", "true");
    let outcome = stage.fetch(&DIRECTORIES, &flat).await;
    outcome.assert_error(&[
        "class \"db\": objects[0] \"a\": jsonKeys[\"b\"]: writes the file \"b\", but objects[1] \"b\" writes it too",
    ]);
}

#[tokio::test]
async fn keys_of_two_classes_in_one_directory_may_not_meet() {
    let stage = stage(r#"{"key": "1"}"#).await;
    stage.seed().secret("c", r#"{"key": "1"}"#).await.unwrap();
    let keys = |name: &str| {
        format!(
            "- {{objectName: {name}, objectType: secretsmanager, wholeFile: false, jsonKeys: true}}"
        )
    };
    let (one, two) = (keys("a"), keys("c"));
    let classes = [("one", one.as_str()), ("two", two.as_str())];
    let fetch = stage.injected("fetch", &classes, "kubelet", &[]);
    let outcome = stage.run(fetch).await;
    outcome.assert_error(&["class \"one\" and class \"two\" both write the file \"key\""]);
}

#[tokio::test]
async fn keys_that_come_and_go_add_and_remove_files_in_one_step() {
    let stage = stage(r#"{"one": "1", "two": "2"}"#).await;
    let refresh = stage.fetch_and_refresh(&DIRECTORIES, OBJECTS).await;
    stage
        .seed()
        .update_secret("a", r#"{"two": "2", "three": "3"}"#)
        .await
        .unwrap();
    refresh
        .says("files changed class=\"db\" files=\"db/three, db/one\"")
        .await;
    assert_eq!(stage.file("db/three"), "3");
    assert_eq!(stage.file("db/two"), "2");
    assert!(!stage.mount().join("db/one").exists());
    // Another object changes: the keys, which were not fetched again, stay.
    stage.seed().update_secret("b", "new").await.unwrap();
    until(|| stage.file("b") == "new").await;
    assert_eq!(stage.file("db/three"), "3");
    assert_eq!(stage.count("GetSecretValue"), 2);
    // A bad value changes nothing.
    stage.seed().update_secret("a", "no json").await.unwrap();
    refresh
        .says("refresh failed: class \"db\": objects[0] \"a\": jsonKeys")
        .await;
    assert_eq!(stage.file("db/two"), "2");
}

#[tokio::test]
async fn without_state_the_files_of_keys_are_found_again() {
    let stage = stage(r#"{"one": "1", "two": "2"}"#).await;
    stage.fetch_for_refresh(&DIRECTORIES, OBJECTS).await;
    std::fs::write(stage.state().join("versions.json"), "{broken").unwrap();
    stage
        .seed()
        .update_secret("a", r#"{"two": "2"}"#)
        .await
        .unwrap();
    let _refresh = stage.refresh();
    until(|| !stage.mount().join("db/one").exists()).await;
    assert_eq!(
        (stage.file("db/two"), stage.file("b")),
        ("2".into(), "b".into())
    );
}

#[tokio::test]
async fn a_variable_may_name_a_key_that_must_then_exist() {
    let stage = stage(r#"{"user": "app"}"#).await;
    for (file, is_there) in [("db/user", true), ("db/password", false)] {
        let items = [("VALUE", file)];
        let fetch = stage.injected("fetch", &[("db", OBJECTS)], "kubelet", &items);
        let outcome = stage.run(fetch).await;
        if is_there {
            assert!(outcome.success, "{}", outcome.stderr);
            assert_eq!(stage.env_file(), "VALUE='app'\n");
            std::fs::remove_dir_all(stage.mount()).unwrap();
        } else {
            outcome.assert_error(&["variable VALUE: nothing that was fetched became the file"]);
        }
    }
}

#[tokio::test]
async fn a_key_that_ends_a_line_steers_a_terminal_or_turns_the_writing_around_is_refused() {
    for (key, code) in [
        ("a\nb", "000A"),
        ("a\u{1b}[2J", "001B"),
        ("a\u{202e}b", "202E"),
    ] {
        let stage = stage(&serde_json::json!({key: "1"}).to_string()).await;
        let outcome = stage.fetch(&DIRECTORIES, OBJECTS).await;
        outcome.assert_error(&[
            &format!("jsonKeys[{key:?}]: cannot be a file: "),
            &format!("has the character U+{code}"),
            "rename the key",
        ]);
        assert!(!outcome.stderr.contains(key), "{}", outcome.stderr);
    }
}

#[test]
fn check_shows_the_pattern_of_names() {
    let (output, _folder) = check(&class("db", &DIRECTORIES, OBJECTS), &[]);
    let printed = text(&output.stdout);
    let lines: Vec<Vec<&str>> = printed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[1].join(" "),
        "db/<each key> 0644 secret a, jsonKeys",
        "{printed}"
    );
    assert!(printed.contains("known only at fetch"), "{printed}");
    let (output, _folder) = check(&class("db", &DIRECTORIES, OBJECTS), &["--output", "json"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["files"][0]["path"], "db/<each key>");
    assert_eq!(object["files"][0]["known"], false);
    assert_eq!(object["files"][1]["known"], true);
}
