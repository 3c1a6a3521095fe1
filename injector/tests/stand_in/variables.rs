//! Environment variables: the file that `fetch` and `refresh` write, and what cannot be in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use aws_stand_in::{Kind, When};
use serde_json::{Value, json};

use crate::running::{Running, until};
use crate::support::{ENTRY, Outcome, Stage};

/// A part of a value, which no output may have.
const MARK: &str = "VALUEMARK";

impl Stage {
    fn variables_directory(&self) -> PathBuf {
        self.path("variables/files")
    }

    /// The file of all variables; nothing if it does not exist.
    fn variables_file(&self, name: &str) -> Vec<u8> {
        fs::read(self.variables_directory().join(name)).unwrap_or_default()
    }

    pub(crate) fn env_file(&self) -> String {
        String::from_utf8(self.variables_file("env")).unwrap()
    }

    /// A command of the injected containers: the webhook's variables, with classes in one directory.
    pub(crate) fn injected(
        &self,
        command: &str,
        classes: &[(&str, &str)],
        method: &str,
        items: &[(&str, &str)],
    ) -> Command {
        let mount = self.mount();
        let mut snapshot = Vec::new();
        for (name, objects) in classes {
            let parameters = json!({"objects": objects, "pathTranslation": "False"});
            snapshot.push(json!({"name": name, "mountPath": mount, "parameters": parameters}));
        }
        let mut variables = Vec::new();
        for (name, file) in items {
            variables.push(json!({"name": name, "mountPath": mount, "file": file}));
        }
        let variables = json!({
            "method": method,
            "directory": self.variables_directory(),
            "programDirectory": self.path("bin"),
            "variables": variables,
        });
        let mut injected = self.command();
        injected
            .arg(command)
            .env("SECRET_PROVIDER_CLASSES", Value::from(snapshot).to_string())
            .env("SECRET_VARIABLES", variables.to_string())
            .env("STATE_DIR", self.state())
            .env("REFRESH_INTERVAL", "1s")
            .env("FETCH_TIMEOUT", "10s")
            .env("LOG_LEVEL", "trace");
        injected
    }

    /// Runs `fetch` in the init container.
    async fn fetch_variables(
        &self,
        objects: &str,
        method: &str,
        items: &[(&str, &str)],
    ) -> Outcome {
        let fetch = self.injected("fetch", &[("db", objects)], method, items);
        let outcome = self.run(fetch).await;
        for output in [&outcome.stdout, &outcome.stderr] {
            assert!(!output.contains(MARK), "{output}");
        }
        outcome
    }

    /// Fetches classes, and refreshes them.
    async fn refresh_variables(&self, classes: &[(&str, &str)], items: &[(&str, &str)]) -> Running {
        let outcome = self
            .run(self.injected("fetch", classes, "kubelet", items))
            .await;
        assert!(outcome.success, "{}", outcome.stderr);
        Running::start(self.injected("refresh", classes, "kubelet", items))
    }
}

fn entry(name: &str) -> String {
    format!("- {{objectName: {name}, objectType: secretsmanager}}\n")
}

#[tokio::test]
async fn parts_of_a_value_are_variables_and_a_second_fetch_replaces_the_file() {
    let stage = Stage::start().await;
    let secret = r#"{"user": "app", "password": "VALUEMARK"}"#;
    stage.seed().secret("db", secret).await.unwrap();
    let objects = "- objectName: db
  objectType: secretsmanager
  jmesPath: [{path: user, objectAlias: user}, {path: password, objectAlias: d/password}]";
    for password in ["P", "Q"] {
        let items = [("USER", "user"), (password, "d/password")];
        let outcome = stage.fetch_variables(objects, "kubelet", &items).await;
        assert!(outcome.success, "{}", outcome.stderr);
        assert_eq!(
            stage.env_file(),
            format!("{password}='VALUEMARK'\nUSER='app'\n")
        );
        let written = "environment variables written variables=2";
        assert!(outcome.stderr.contains(written), "{}", outcome.stderr);
    }
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(stage.variables_directory()), 0o755);
    assert_eq!(mode(stage.variables_directory().join("env")), 0o400);
    assert!(!stage.path("bin").exists(), "only exec needs the program");
}

#[tokio::test]
async fn exec_gets_every_byte_but_null_from_the_program_that_fetch_copies() {
    let stage = Stage::start().await;
    let values = [("cr", "a\r\nb\r"), ("quote", "it's 'VALUEMARK'")];
    for (name, value) in values {
        stage.seed().secret(name, value).await.unwrap();
    }
    stage.seed().binary_secret("bytes", "//4=").await.unwrap();
    let answer = Kind::Answer(json!({"Name": "empty", "SecretString": ""}));
    stage.fail_when(When::object("empty"), answer);
    let names = ["bytes", "cr", "empty", "quote"];
    let objects: String = names.into_iter().map(entry).collect();
    let items = names.map(|name| (name, name));
    let outcome = stage.fetch_variables(&objects, "exec", &items).await;
    assert!(outcome.success, "{}", outcome.stderr);
    let expected = b"bytes=\xff\xfe\0cr=a\r\nb\r\0empty=\0quote=it's 'VALUEMARK'\0";
    assert_eq!(stage.variables_file("environ"), expected);
    let file = stage.variables_directory().join("environ");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o444);
    let mut app = Command::new(stage.path("bin/aws-secrets-exec"));
    app.env_clear()
        .arg("--env-file")
        .arg(file)
        .args(["--", "/usr/bin/env", "-0"]);
    let output = app.output().unwrap();
    assert_eq!(output.stdout, expected, "{output:?}");
}

#[tokio::test]
async fn values_that_cannot_be_variables_are_all_named_and_nothing_is_written() {
    let stage = Stage::start().await;
    let long = "VALUEMARK".repeat(8 * 1024);
    let too_long = format!("{long}\n{long}");
    for (name, value) in [
        ("quote", "it's VALUEMARK"),
        ("crlf", "VALUEMARK\r\n"),
        ("line", &long),
        ("long", &too_long),
        ("good", "VALUEMARK"),
    ] {
        stage
            .seed()
            .secret(name, value)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    stage.seed().binary_secret("bytes", "/w==").await.unwrap();
    stage.seed().binary_secret("nul", "AA==").await.unwrap();
    let answer = Kind::Answer(json!({"Name": "empty", "SecretString": ""}));
    stage.fail_when(When::object("empty"), answer);
    let reasons = [
        ("quote", "has a single quote (')"),
        ("crlf", "has line breaks of Windows (CR LF)"),
        ("line", "has a line of more than 64 KiB"),
        ("long", "is too long for an environment variable"),
        ("bytes", "is not UTF-8 text"),
        ("nul", "has a NUL byte"),
        ("empty", "is empty"),
    ];
    let mut objects = entry("good");
    let mut items = vec![("GOOD", "good")];
    for (name, _) in reasons {
        objects += &entry(name);
        items.push((name, name));
    }
    for method in ["kubelet", "exec"] {
        let outcome = stage.fetch_variables(&objects, method, &items).await;
        outcome.assert_error(&[]);
        assert!(!stage.variables_directory().exists());
        for (index, (name, reason)) in reasons.iter().enumerate() {
            let line = format!(
                "class \"db\": objects[{}] \"{name}\": variable {name}: the value of the file \"{name}\" {reason}",
                index + 1
            );
            let is_refused = method == "kubelet" || ["long", "nul"].contains(name);
            assert_eq!(
                outcome.stderr.contains(&line),
                is_refused,
                "{}",
                outcome.stderr
            );
        }
        assert!(!outcome.stderr.contains("GOOD"), "{}", outcome.stderr);
    }
}

#[tokio::test]
async fn a_variable_without_a_file_stops_the_fetch_before_anything_is_asked() {
    let stage = Stage::with_secret("one").await;
    stage.aws.forget();
    for command in ["fetch", "refresh"] {
        let command = stage.injected(command, &[("db", ENTRY)], "kubelet", &[("B", "b")]);
        let outcome = stage.run(command).await;
        let file = stage.mount().join("b");
        let line = format!(
            "variable B: {file:?} is not a file of the pod's classes: correct the annotation"
        );
        outcome.assert_error(&[&line]);
        assert_eq!(stage.calls(), [""; 0]);
    }
}

#[tokio::test]
async fn classes_of_the_command_line_have_no_variables() {
    let stage = Stage::with_secret("one").await;
    let outcome = stage.fetch_with(&[], ENTRY, |command| {
        command.env("SECRET_VARIABLES", "nothing that could be read")
    });
    outcome.await.assert_files(&[("a", "one")]);
}

#[tokio::test]
async fn a_refresh_with_a_bad_value_keeps_files_and_variables_and_a_good_one_changes_both() {
    let stage = Stage::with_secret("one").await;
    let refresh = stage
        .refresh_variables(&[("db", ENTRY)], &[("A", "a")])
        .await;
    assert_eq!(stage.env_file(), "A='one'\n");
    let before = stage.generation();
    stage.seed().update_secret("a", "VALUE'MARK").await.unwrap();
    refresh
        .says("refresh failed: class \"db\": objects[0] \"a\": variable A: the value of the file \"a\" has a single quote")
        .await;
    refresh
        .says("keeping current files of failed classes")
        .await;
    assert_eq!(stage.generation(), before);
    assert_eq!(
        (stage.file("a"), stage.env_file()),
        ("one".into(), "A='one'\n".into())
    );
    stage.seed().update_secret("a", "VALUEMARK").await.unwrap();
    refresh.says("refresh recovered").await;
    refresh.says("environment variables changed").await;
    refresh.says("files changed class=\"db\" files=\"a\"").await;
    assert_eq!(
        (stage.file("a"), stage.env_file()),
        (MARK.into(), format!("A='{MARK}'\n"))
    );
    assert!(!refresh.log().contains("MARK"), "{}", refresh.log());
    let sets = fs::read_dir(stage.variables_directory()).unwrap();
    let is_set = |name: &str| name.starts_with("..1");
    let mut sets = sets.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let first = sets.find(|name| is_set(name));
    assert!(first.is_some());
    until(|| {
        let sets = fs::read_dir(stage.variables_directory()).unwrap();
        let names = sets.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| is_set(name)).count() == 1
    })
    .await;
}

#[tokio::test]
async fn a_class_that_fails_keeps_its_variables_beside_the_new_ones_of_others() {
    let stage = Stage::with_secret("one").await;
    stage.seed().secret("b", "one").await.unwrap();
    let classes = [("db", ENTRY), ("other", &entry("b"))];
    let refresh = stage
        .refresh_variables(&classes, &[("A", "a"), ("B", "b")])
        .await;
    stage.seed().update_secret("b", "VALUE'MARK").await.unwrap();
    refresh.says("refresh failed: class \"other\"").await;
    stage.seed().update_secret("a", "two").await.unwrap();
    until(|| stage.env_file() == "A='two'\nB='one'\n").await;
    assert_eq!(
        (stage.file("a"), stage.file("b")),
        ("two".into(), "one".into())
    );
}

#[tokio::test]
async fn variables_that_could_not_be_written_are_written_later_and_the_change_is_reported_then() {
    let stage = Stage::with_secret("one").await;
    let refresh = stage
        .refresh_variables(&[("db", ENTRY)], &[("A", "a")])
        .await;
    let taken = stage.variables_directory().join("env");
    fs::remove_file(&taken).unwrap();
    fs::write(&taken, "not ours").unwrap();
    stage.seed().update_secret("a", "two").await.unwrap();
    let line = format!(
        "refresh failed: class \"db\": {} exists and was not written by this program",
        taken.display()
    );
    refresh.says(&line).await;
    until(|| stage.file("a") == "two").await;
    assert!(
        !refresh.log().contains("files changed"),
        "{}",
        refresh.log()
    );
    fs::remove_file(&taken).unwrap();
    refresh.says("files changed class=\"db\" files=\"a\"").await;
    assert_eq!(stage.env_file(), "A='two'\n");
}

/// The files were written although their variables were not, so they belong to the class from then on.
#[tokio::test]
async fn files_that_are_new_when_the_variables_fail_survive_a_refresh_of_another_class() {
    let stage = Stage::with_secret(r#"{"x": "1"}"#).await;
    stage.seed().secret("b", "one").await.unwrap();
    let keys = "- {objectName: a, objectType: secretsmanager, jsonKeys: true}";
    let classes = [("db", keys), ("other", &entry("b"))];
    let refresh = stage.refresh_variables(&classes, &[("A", "a")]).await;
    let taken = stage.variables_directory().join("env");
    fs::remove_file(&taken).unwrap();
    fs::write(&taken, "not ours").unwrap();
    let renamed = r#"{"y": "2"}"#;
    stage.seed().update_secret("a", renamed).await.unwrap();
    refresh.says("refresh failed: class \"db\"").await;
    stage.fail_when(When::object("a"), Kind::access_denied());
    refresh.says("AccessDeniedException").await;
    stage.seed().update_secret("b", "two").await.unwrap();
    until(|| stage.file("b") == "two").await;
    assert_eq!(stage.file("y"), "2");
    assert_eq!(stage.file("x"), "");
}

#[tokio::test]
async fn a_variable_is_missing_while_a_directory_has_the_name_of_its_file() {
    let stage = Stage::start().await;
    let seed = stage.seed();
    seed.parameter("/app/mail", "one").await.unwrap();
    let app = "- {objectPath: /app, objectType: ssmparameter, optional: true}";
    let items = [("MAIL", "mail"), ("HOST", "mail/host")];
    let _refresh = stage.refresh_variables(&[("db", app)], &items).await;
    assert_eq!(stage.env_file(), "MAIL='one'\n");
    let mail = json!({"Name": "/app/mail"});
    seed.json("ssm", "DeleteParameter", &mail).await.unwrap();
    seed.parameter("/app/mail/host", "two").await.unwrap();
    until(|| stage.env_file() == "HOST='two'\n").await;
}

#[tokio::test]
async fn a_file_of_variables_that_was_lost_is_written_again() {
    let stage = Stage::with_secret("one").await;
    let refresh = stage
        .refresh_variables(&[("db", ENTRY)], &[("A", "a")])
        .await;
    fs::remove_dir_all(stage.variables_directory()).unwrap();
    until(|| stage.env_file() == "A='one'\n").await;
    assert!(
        !refresh.log().contains("files changed"),
        "{}",
        refresh.log()
    );
}
