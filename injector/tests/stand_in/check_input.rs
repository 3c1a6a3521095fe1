//! `check` takes what people have: several files, lists, other kinds; and has results for programs.

use serde_json::Value;
use tempfile::TempDir;

use crate::check::{TWO, check, text};
use crate::support::{Stage, class};

/// What `helm template` and `kubectl get -o yaml` print around classes.
fn with_others() -> String {
    let item = |name: &str| {
        let class = class(name, &[], TWO);
        let lines = class.lines().map(|line| format!("  {line}\n"));
        lines.collect::<String>().replacen("  ", "- ", 1)
    };
    format!(
        "---\n# Source: app/templates/class.yaml\n{}---\n# Source: app/templates/empty.yaml\n---\nkind: Service\napiVersion: v1\nmetadata: {{name: web}}\n---\napiVersion: v1\nitems:\n{}{}kind: List\nmetadata: {{resourceVersion: ''}}\n",
        class("one", &[], TWO),
        item("two"),
        "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}\n",
    )
}

#[test]
fn other_kinds_are_passed_over_and_lists_are_opened() {
    let (output, _folder) = check(&with_others(), &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    for words in ["class \"one\" is valid", "class \"two\" is valid"] {
        assert!(out.contains(words), "{out}");
    }
    let note = text(&output.stderr);
    assert!(note.contains("skipped 1 Deployment, 1 Service"), "{note}");
}

#[test]
fn several_files_and_directories_are_checked() {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    std::fs::create_dir_all(at("deploy/more")).unwrap();
    for (path, content) in [
        ("one.yaml", class("one", &[], TWO)),
        ("deploy/two.yml", class("two", &[], TWO)),
        ("deploy/more/three.yaml", class("three", &[], TWO)),
        ("deploy/service.yaml", "kind: Service\n".to_owned()),
        ("deploy/template.yaml", "a: {{ .Values.x }}: [\n".to_owned()),
        ("deploy/README.md", "no YAML: [".to_owned()),
        ("empty/service.yaml", "kind: Service\n".to_owned()),
    ] {
        std::fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        std::fs::write(at(path), content).unwrap();
    }
    let run = |paths: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_aws-secrets-injector"));
        let paths = paths.iter().map(|path| at(path));
        command
            .env_clear()
            .arg("check")
            .args(paths)
            .output()
            .unwrap()
    };
    let output = run(&["one.yaml", "deploy"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    for name in ["one", "two", "three"] {
        assert!(out.contains(&format!("class {name:?} is valid")), "{out}");
    }
    let note = text(&output.stderr);
    assert!(
        note.contains("skipped 1 Service, 1 file that is not YAML"),
        "{note}"
    );
    let output = run(&["one.yaml", "empty", "missing.yaml"]);
    assert!(!output.status.success());
    let errors = text(&output.stderr);
    assert!(
        errors.contains("empty: contains no SecretProviderClass"),
        "{errors}"
    );
    assert!(errors.contains("missing.yaml: No such file"), "{errors}");
}

#[test]
fn text_in_utf16_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("class.yaml");
    let units = class("db", &[], TWO);
    let bytes: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(units.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    std::fs::write(&file, bytes).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_aws-secrets-injector"));
    let output = command
        .env_clear()
        .arg("check")
        .arg(&file)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = text(&output.stderr);
    assert!(
        error.contains("class.yaml: is UTF-16 text, not UTF-8"),
        "{error}"
    );
}

#[test]
fn programs_get_an_object_for_each_class() {
    let bad = class(
        "bad",
        &[("pathTranslation", "long")],
        "- objectName: a\n  objectType: ssn\n",
    );
    let bad = bad.replace("  name: bad", "  name: bad\n  namespace: shop");
    let doubtful = class(
        "good",
        &[],
        &format!("{TWO}- {{objectName: /q, objectType: ssmparameter, objectVersion: live}}\n"),
    );
    let content = format!("{doubtful}---\n{bad}");
    let (output, _folder) = check(&content, &["--output", "json"]);
    assert!(!output.status.success());
    let objects: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [good, bad] = objects.as_slice() else {
        panic!("{objects:?}")
    };
    assert_eq!(
        (&good["name"], &good["namespace"], &good["valid"]),
        (&"good".into(), &Value::Null, &true.into())
    );
    assert_eq!(good["files"][1]["path"], "user");
    assert_eq!(good["files"][1]["mode"], "0400");
    assert_eq!(good["policy"]["Version"], "2012-10-17");
    assert_eq!(good["problems"][0]["severity"], "warning");
    assert_eq!(good["problems"][0]["entry"], 2);
    assert_eq!(
        (&bad["name"], &bad["namespace"], &bad["valid"]),
        (&"bad".into(), &"shop".into(), &false.into())
    );
    assert_eq!(bad["policy"], Value::Null);
    let lines: Vec<&str> = content.lines().collect();
    let places: Vec<_> = bad["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| {
            let place = |name: &str| usize::try_from(problem[name].as_u64().unwrap()).unwrap();
            (
                problem["field"].as_str().unwrap(),
                &lines[place("line") - 1][place("column") - 1..],
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("pathTranslation", "pathTranslation: \"long\""),
            ("objects[0].objectType", "objectType: ssn")
        ]
    );
    assert_eq!(bad["problems"][1]["entry"], 0);
    assert_eq!(bad["problems"][1]["object"], "a");
    // A file in which nothing is found is an object too, so that no pipeline takes it for a good one.
    let (output, _folder) = check("kind: Pod\n", &["--output=json"]);
    assert!(!output.status.success());
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&object["name"], &object["valid"]),
        (&Value::Null, &false.into())
    );
}

#[test]
fn each_namespace_has_its_own_policy() {
    let of = |name: &str| {
        class(name, &[], TWO).replace(
            &format!("  name: {name}"),
            &format!("  name: db\n  namespace: {name}"),
        )
    };
    let (output, _folder) = check(&format!("{}---\n{}", of("shop"), of("mail")), &[]);
    let out = text(&output.stdout);
    for namespace in ["shop", "mail"] {
        assert!(
            out.contains(&format!(
                "class \"db\" in namespace \"{namespace}\" is valid"
            )),
            "{out}"
        );
        assert!(
            out.contains(&format!(
                "IAM policy of the pod's role in namespace \"{namespace}\" "
            )),
            "{out}"
        );
    }
}

#[test]
fn mistakes_beside_misplaced_secret_objects_are_told_too() {
    let content = class("db", &[("region", "us-east-2a")], "- objectName: a\n").replace(
        "  parameters:\n",
        "  parameters:\n    secretObjects:\n      - secretName: x\n",
    );
    let (output, _folder) = check(&content, &[]);
    let errors = text(&output.stderr);
    for words in [
        "secretObjects belongs under spec, beside parameters",
        "region: \"us-east-2a\" is not an AWS region",
        "objects[0] \"a\": objectType: is required",
    ] {
        assert!(errors.contains(words), "{words} is not in {errors}");
    }
}

#[tokio::test]
async fn fetch_takes_the_classes_of_a_file_with_other_kinds() {
    let stage = Stage::start().await;
    stage.seed().secret("a", "value").await.unwrap();
    let file = stage.path("all.yaml");
    let class = class("db", &[], "- {objectName: a, objectType: secretsmanager}\n");
    std::fs::write(&file, format!("kind: Service\n---\n{class}")).unwrap();
    let fetch = |file: &std::path::Path| {
        let mut command = stage.command();
        command
            .args(["fetch", "--class-file"])
            .arg(file)
            .arg("--mount-path")
            .arg(stage.mount());
        stage.run(command)
    };
    let outcome = fetch(&file).await;
    outcome.assert_files(&[("a", "value")]);
    assert!(
        outcome.stderr.contains("skipped 1 Service"),
        "{}",
        outcome.stderr
    );
    std::fs::write(&file, "kind: Service\n").unwrap();
    let outcome = fetch(&file).await;
    assert!(!outcome.success);
    assert!(
        outcome.stderr.contains("contains no SecretProviderClass"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn a_secret_a_key_and_a_file_of_one_name_get_an_alias_that_works() {
    let entry = |alias: &str| {
        format!(
            "- objectName: DB_PASSWORD\n  objectType: secretsmanager\n{alias}  jmesPath:\n    - {{path: DB_PASSWORD, objectAlias: DB_PASSWORD}}\n"
        )
    };
    let (output, _folder) = check(&class("db", &[], &entry("")), &[]);
    let error = text(&output.stderr);
    let (_, alias) = error
        .trim_end()
        .split_once("an objectAlias of its own, such as ")
        .unwrap_or_else(|| panic!("{error}"));
    let stage = Stage::start().await;
    let value = r#"{"DB_PASSWORD": "x"}"#;
    stage.seed().secret("DB_PASSWORD", value).await.unwrap();
    let outcome = stage
        .fetch(&[], &entry(&format!("  objectAlias: {alias}\n")))
        .await;
    outcome.assert_files(&[("DB_PASSWORD", "x"), ("DB_PASSWORD.json", value)]);
}
