//! `check`: what a class would do, offline.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::class;

/// Checks a file, with nothing in the environment. Options go first, where one could take the file for its value.
pub(crate) fn check(text: &str, arguments: &[&str]) -> (Output, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("class.yaml");
    std::fs::write(&file, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_aws-secrets-injector"));
    (
        command
            .env_clear()
            .arg("check")
            .args(arguments)
            .arg(file)
            .output()
            .unwrap(),
        folder,
    )
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) const TWO: &str = "- objectName: a/b
  objectType: secretsmanager
  jmesPath:
    - {path: user, objectAlias: user, filePermission: 0400}
- {objectName: /p, objectType: ssmparameter, objectVersion: 3}
";

#[test]
fn a_valid_class_shows_its_files_with_mode_and_source() {
    let (output, _folder) = check(&class("db", &[], TWO), &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<_> = text(&output.stdout)
        .lines()
        .take(4)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines[1..],
        [
            "a_b 0644 secret a/b",
            "user 0400 secret a/b, jmesPath user [variable]",
            "_p 0644 parameter /p:3"
        ]
    );
    assert!(text(&output.stdout).contains(
        "\n  [variable]: the annotation aws-secrets-injector.io/env: \"*\" makes the file an environment variable of its alias\n"
    ));
    assert!(text(&output.stderr).is_empty());
}

#[test]
fn files_that_a_star_makes_variables_are_marked() {
    let plain = "- {objectName: LUA_INIT, objectType: secretsmanager}\n";
    let variable = "- {objectName: db, objectType: secretsmanager, objectAlias: DB_PASSWORD}\n";
    let class = class("db", &[], &format!("{plain}{variable}"));
    let (output, _folder) = check(&class, &[]);
    let printed = text(&output.stdout);
    let lines: Vec<&str> = printed.lines().skip(1).collect();
    assert!(lines[0].ends_with("  secret LUA_INIT"), "{printed}");
    assert!(lines[1].ends_with("  secret db [variable]"), "{printed}");
    assert!(lines[2].starts_with("  [variable]: "), "{printed}");
    let (output, _folder) = check(&class, &["--output", "json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["files"][0]["variable"], Value::Null);
    assert_eq!(object["files"][1]["variable"], "DB_PASSWORD");
}

#[test]
fn a_class_without_variables_has_no_note_of_them() {
    let objects = "- {objectName: a-b, objectType: secretsmanager}\n";
    let (output, _folder) = check(&class("db", &[], objects), &[]);
    assert!(output.status.success());
    let printed = text(&output.stdout);
    assert!(!printed.contains("[variable]"), "{printed}");
}

#[test]
fn a_class_with_arns_says_in_which_region_it_is_valid() {
    let arn = |region: &str| {
        format!("- objectName: arn:aws:ssm:{region}:111122223333:parameter/{region}\n")
    };
    let (output, _folder) = check(&class("db", &[], &arn("us-east-1")), &[]);
    assert!(output.status.success());
    let printed = text(&output.stdout);
    let region = "valid in a cluster whose default region is its ARNs', us-east-1. ";
    assert!(printed.contains(region), "{printed}");
    let both = [arn("us-east-1"), arn("us-west-2")].concat();
    let (output, _folder) = check(&class("db", &[], &both), &[]);
    assert!(!output.status.success());
    let printed = text(&output.stderr);
    assert!(printed.contains("a class for each region"), "{printed}");
}

#[test]
fn standard_input_is_a_file_too() {
    let (from, _folder) = check(&class("db", &[], TWO), &[]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_aws-secrets-injector"));
    let mut process = command
        .env_clear()
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(class("db", &[], TWO).as_bytes()).unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), text(&from.stdout));
}

#[test]
fn the_policy_alone_is_json_for_aws_iam() {
    let (output, _folder) = check(
        &class("db", &[("region", "eu-central-1")], TWO),
        &["--policy"],
    );
    let policy: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    assert_eq!(
        policy["Statement"][0]["Resource"][0],
        "arn:aws:secretsmanager:eu-central-1:*:secret:a/b-??????"
    );
    assert_eq!(
        policy["Statement"][1]["Resource"][0],
        "arn:aws:ssm:eu-central-1:*:parameter/p"
    );
}

#[test]
fn the_reader_of_another_account_has_its_own_policy() {
    let text = class(
        "db",
        &[("assumeRoleArn", "arn:aws:iam::444455556666:role/reader")],
        TWO,
    );
    let statement = |role: &str| {
        let (output, _folder) = check(&text, &[&format!("--policy={role}")]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["Statement"][0].clone()
    };
    assert_eq!(statement("pod")["Action"][0], "sts:AssumeRole");
    assert_eq!(
        statement("reader")["Resource"][0],
        "arn:aws:secretsmanager:*:444455556666:secret:a/b-??????"
    );
}

#[test]
fn every_mistake_of_every_class_is_told_with_the_files_line() {
    let first = class(
        "one",
        &[],
        "- objectName: a\n- objectType: secretsmanager\n",
    );
    let second = class(
        "two",
        &[("pathTranslation", "long")],
        "# comment\n- {objectName: ../x, objectType: secretsmanager}\n",
    );
    let (output, folder) = check(&format!("{first}---\n{second}"), &[]);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    let file = folder.path().join("class.yaml").display().to_string();
    let errors = text(&output.stderr)
        .replace(&file, "FILE")
        .replace("error: ", "");
    let lines: Vec<_> = errors.lines().collect();
    let starts = [
        "FILE:9: class \"one\": objects[0] \"a\": objectType: ",
        "FILE:10: class \"one\": objects[1].objectName: ",
        "FILE:19: class \"two\": pathTranslation: ",
        "FILE:22: class \"two\": objects[0] \"../x\": objectName: ",
    ];
    assert_eq!(lines.len(), starts.len(), "{errors}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{errors}");
    }
}

#[test]
fn doubts_are_warnings_and_no_failure() {
    let (output, _folder) = check(
        &class(
            "db",
            &[("Region", "x")],
            "- {objectName: a, objectType: secretsmanager, objectAlia: b}",
        ),
        &[],
    );
    assert!(output.status.success());
    let warnings = text(&output.stderr);
    assert!(
        warnings.contains("Region: is not a known parameter and is ignored: did you mean region?"),
        "{warnings}"
    );
    assert!(
        warnings.contains("objects[0] \"a\": objectAlia: is not a known field and is ignored"),
        "{warnings}"
    );
}

#[test]
fn what_is_no_class_is_refused_with_the_reason() {
    for (content, words) in [
        (
            "kind: Pod\napiVersion: v1\n",
            "contains no SecretProviderClass of provider \"aws\", but 1 Pod",
        ),
        ("", "contains no SecretProviderClass"),
        ("a: [", "document 1: "),
        (
            &class("db", &[], TWO).replace("provider: aws", "provider: vault"),
            "but 1 SecretProviderClass of provider \"vault\"",
        ),
        (
            &class("db", &[], TWO).replace("  provider: aws\n", ""),
            "provider: is required: write \"provider: aws\"",
        ),
        (
            &class("db", &[], TWO).replace("provider: aws", "provider: AWS"),
            "provider: is \"AWS\", which no pod can use: write \"provider: aws\"",
        ),
    ] {
        let (output, _folder) = check(content, &[]);
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
        assert!(
            text(&output.stderr).contains(words),
            "{words} is not in {}",
            text(&output.stderr)
        );
    }
}

const SECRETS: &str = "  secretObjects:
    - secretName: credentials
      type: Opaque
      data:
        - objectName: user
          key: username
        - objectName: a_b
          key: whole
";

#[test]
fn the_kubernetes_secrets_of_a_class_are_shown_with_their_files() {
    let class = class("db", &[], TWO) + SECRETS;
    let (output, _folder) = check(&class, &[]);
    let printed = text(&output.stdout);
    assert!(
        printed.contains(
            "\nIts Kubernetes Secrets, see the annotation aws-secrets-injector.io/secret-objects:\n  credentials  Opaque  username=user, whole=a_b\n\n"
        ),
        "{printed}{}",
        text(&output.stderr)
    );
    let (output, _folder) = check(&class, &["--output", "json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        object["secrets"],
        serde_json::json!([{"name": "credentials", "type": "Opaque", "data": {"username": "user", "whole": "a_b"}}])
    );
}

#[test]
fn a_mistake_in_a_kubernetes_secret_has_its_line() {
    let class = class("db", &[], TWO) + &SECRETS.replace("a_b", "a/b").replace("Opaque", "");
    let lines: Vec<&str> = class.lines().collect();
    let last = |words: &str| 1 + lines.iter().rposition(|line| line.contains(words)).unwrap();
    let (output, _folder) = check(&class, &[]);
    let errors = text(&output.stderr);
    for (line, message) in [
        (last("      type:"), "type: is required"),
        (
            last("objectName: a/b"),
            "data[1].objectName: must be the name of the file of this object: write \"a_b\"",
        ),
    ] {
        let message =
            format!("class.yaml:{line}: class \"db\": secretObjects[0] \"credentials\": {message}");
        assert!(errors.contains(&message), "{message}: {errors}");
    }
}

#[test]
fn the_role_for_kubernetes_secrets_is_printed_ready_to_apply() {
    let class = class("db", &[], TWO) + SECRETS;
    let (output, _folder) = check(
        &class,
        &["--rbac", "--service-account", "web", "--namespace", "shop"],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let objects: Vec<Value> = printed
        .split("---\n")
        .skip(1)
        .map(|object| serde_json::from_str(object).unwrap())
        .collect();
    let [role, binding] = objects.as_slice() else {
        panic!("{printed}")
    };
    assert_eq!(
        role["rules"],
        serde_json::json!([{
            "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["credentials"], "verbs": ["create", "patch"],
        }])
    );
    assert_eq!(role["metadata"]["namespace"], "shop");
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(
        binding["subjects"],
        serde_json::json!([{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}])
    );
    let (output, _folder) = check(
        &crate::support::class("db", &[], TWO),
        &["--rbac", "--service-account", "web"],
    );
    assert!(text(&output.stdout).is_empty());
    assert!(
        text(&output.stderr).contains("no class has secretObjects"),
        "{}",
        text(&output.stderr)
    );
    let (output, _folder) = check(&class, &["--rbac"]);
    assert!(!output.status.success());
}

#[test]
fn no_role_is_printed_for_another_namespace_than_the_one_that_is_asked_for() {
    let class = class("db", &[], TWO) + SECRETS;
    let class = class.replace("  name: db\n", "  name: db\n  namespace: kube-system\n");
    let rbac = ["--rbac", "--service-account", "web"];
    let (output, _folder) = check(&class, &[&rbac[..], &["--namespace", "shop"]].concat());
    assert!(!output.status.success());
    assert!(text(&output.stdout).is_empty(), "{}", text(&output.stdout));
    let errors = text(&output.stderr);
    let words = "class \"db\" in namespace \"kube-system\": metadata.namespace is \"kube-system\", but --namespace is \"shop\"";
    assert!(errors.contains(words), "{errors}");
    for own in [
        &rbac[..],
        &[&rbac[..], &["--namespace", "kube-system"]].concat(),
    ] {
        let (output, _folder) = check(&class, own);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).matches("\"kube-system\"").count(), 3);
    }
}

#[test]
fn nothing_in_a_class_or_its_file_name_steers_the_terminal_or_forges_a_line() {
    let hostile = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}";
    let in_yaml = r"x\e]0;x\a\x9b2J\u202E\nerror: forged";
    let secrets = SECRETS.replace("type: Opaque", &format!("type: \"{in_yaml}\""));
    let path = format!(
        "- objectName: a\n  objectType: secretsmanager\n  jmesPath: [{{path: \"'{in_yaml}'\", objectAlias: b}}]\n"
    );
    let name = class("db", &[], TWO).replace("name: db", &format!("name: \"{in_yaml}\""));
    for class in [
        class("db", &[], TWO) + &secrets,
        class("db", &[], &path),
        name,
    ] {
        let folder = tempfile::TempDir::new().unwrap();
        let file = format!("a{hostile}\nerror: forged.yaml");
        std::fs::write(folder.path().join(file), class).unwrap();
        for options in [&[][..], &["--output", "json"], &["--policy"]] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_aws-secrets-injector"))
                .env_clear()
                .arg("check")
                .arg(folder.path())
                .args(options)
                .output()
                .unwrap();
            for printed in [text(&output.stdout), text(&output.stderr)] {
                let is_plain = |c: char| c == '\n' || c == '…' || (' '..='~').contains(&c);
                assert!(printed.chars().all(is_plain), "{printed:?}");
                assert!(!printed.contains("\nerror: forged"), "{printed:?}");
                if options == ["--output", "json"] {
                    for line in printed.lines().filter(|line| line.starts_with('{')) {
                        serde_json::from_str::<Value>(line).unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn a_wrong_command_line_steers_no_terminal() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_aws-secrets-injector"))
        .env_clear()
        .args(["check", "--output", "\u{9b}2J\u{1b}]0;x\u{7}", "x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let printed = text(&output.stderr);
    assert!(printed.contains(r"\u{9b}2J"), "{printed:?}");
    assert!(
        !printed.contains(['\u{9b}', '\u{1b}', '\u{7}']),
        "{printed:?}"
    );
}
