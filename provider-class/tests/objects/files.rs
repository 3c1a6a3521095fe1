//! The files of an entry.

use super::*;

#[test]
fn file_modes_come_from_the_item_or_its_parent() {
    let class = parse(
        "- objectName: s
  objectType: secretsmanager
  filePermission: 0400
  jmesPath:
    - {path: a, objectAlias: a}
    - {path: b, objectAlias: b, filePermission: \"0440\"}
",
    )
    .unwrap();
    let modes: Vec<_> = class.files().map(|file| file.mode.to_string()).collect();
    assert_eq!(
        modes,
        ["0400", "0400", "0440"],
        "an unquoted 0400 is meant, not the number 256"
    );
    for bad in ["400", "0o400", "0888", "rw", "\"\\u0664000\""] {
        let error = problem(parse(&format!(
            "- {{objectName: s, objectType: secretsmanager, filePermission: {bad}}}"
        )));
        assert!(
            error.starts_with("objects[0] \"s\": filePermission (line 1 of objects): ")
                && error.contains("four octal digits in quotes"),
            "{error}"
        );
    }
}

#[test]
fn a_json_path_needs_path_and_alias() {
    let error = parse("- objectName: s\n  objectType: secretsmanager\n  jmesPath:\n    - path: a\n    - objectAlias: b\n    - path: \"a[\"\n      objectAlias: c\n").unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(
        lines[0]
            .contains("objects[0] \"s\": jmesPath[0].objectAlias (line 4 of objects): is required"),
        "{error}"
    );
    assert!(
        lines[1].contains("objects[0] \"s\": jmesPath[1].path (line 5 of objects): is required"),
        "{error}"
    );
    assert!(
        lines[2].contains(
            "objects[0] \"s\": jmesPath[2].path (line 6 of objects): \"a[\" is not a JMESPath expression"
        ),
        "{error}"
    );
}

#[test]
fn files_never_overwrite_each_other() {
    let entry = |fields: &str| format!("- {{objectType: secretsmanager, {fields}}}\n");
    for (first, second) in [
        ("objectName: a", "objectName: a"),
        (
            "objectName: a, objectAlias: x",
            "objectName: a, objectAlias: x",
        ),
        (
            "objectName: a, objectAlias: x",
            "objectName: b, objectAlias: x",
        ),
        (
            "objectName: a, objectVersionLabel: one",
            "objectName: a, objectVersionLabel: two",
        ),
        ("objectName: a/b", "objectName: a_b"),
        (
            "objectName: a",
            "objectName: b, jmesPath: [{path: p, objectAlias: a}]",
        ),
    ] {
        let error = problem(parse(&(entry(first) + &entry(second))));
        assert!(
            error.starts_with("objects[1] ") && error.contains("as objects[0] \"a"),
            "{error}"
        );
    }
    for (first, second) in [
        ("objectName: a", "objectName: a, objectAlias: x"),
        (
            "objectName: a, objectAlias: x, objectVersionLabel: one",
            "objectName: a, objectAlias: y, objectVersionLabel: two",
        ),
    ] {
        assert!(
            parse(&(entry(first) + &entry(second))).is_ok(),
            "{first} and {second}"
        );
    }
}

#[test]
fn a_file_is_no_directory_of_another() {
    let error = problem(parse_with(
        &[("pathTranslation", "False")],
        "- {objectName: a/b, objectType: secretsmanager}\n- {objectName: a, objectType: secretsmanager}\n",
    ));
    assert!(
        error.contains("one cannot be a file and the other's directory"),
        "{error}"
    );
    assert!(parse("- {objectName: a/b, objectType: secretsmanager}\n- {objectName: a, objectType: secretsmanager}\n").is_ok());
}
