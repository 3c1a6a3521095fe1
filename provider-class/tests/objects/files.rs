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

#[test]
fn new_fields_are_checked_with_their_lines() {
    let entry = "- objectName: s\n  objectType: secretsmanager\n  ";
    for (fields, words) in [
        (
            "optional: maybe",
            "optional (line 3 of objects): \"maybe\" is not a boolean",
        ),
        (
            "objectEncoding: rot13",
            "objectEncoding (line 3 of objects): \"rot13\" is not an encoding",
        ),
        (
            "wholeFile: 2",
            "wholeFile (line 3 of objects): \"2\" is not a boolean",
        ),
        (
            "wholeFile: false",
            "wholeFile (line 3 of objects): is false, so the entry writes no file",
        ),
        (
            "jsonKeys: [a]",
            "jsonKeys (line 3 of objects): must be true, or a mapping",
        ),
        (
            "jsonKeys: all",
            "jsonKeys (line 3 of objects): \"all\" is not a boolean",
        ),
        (
            "jsonKeys: {prefix: ../}",
            "jsonKeys.prefix (line 3 of objects): \"../<each key>\" leads out",
        ),
        (
            "jsonKeys: {filePermission: 400}",
            "jsonKeys.filePermission (line 3 of objects): ",
        ),
        (
            "jmesPath:\n  - {path: a, objectAlias: b, optional: 2}",
            "jmesPath[0].optional (line 4 of objects): ",
        ),
        (
            "jmesPath:\n  - {path: a, objectAlias: b, objectEncoding: x}",
            "jmesPath[0].objectEncoding (line 4 of objects): ",
        ),
    ] {
        let error = problem(parse(&format!("{entry}{fields}\n")));
        let start = format!("objects[0] \"s\": {words}");
        assert!(error.starts_with(&start), "{start}\n{error}");
    }
}

#[test]
fn the_whole_value_may_have_no_file() {
    let objects = "- {objectName: s, objectType: secretsmanager, wholeFile: false, jmesPath: [{path: s, objectAlias: s}]}";
    assert_eq!(paths(&parse(objects).unwrap()), ["s"]);
    let objects =
        "- {objectName: s, objectType: secretsmanager, wholeFile: false, jsonKeys: {prefix: db/}}";
    let class = parse_with(&[("pathTranslation", "False")], objects).unwrap();
    assert_eq!(paths(&class), [""; 0]);
    let open: Vec<_> = class.open_files().map(ToString::to_string).collect();
    assert_eq!(open, ["db/<each key>"]);
    let class = parse(&objects.replace("wholeFile", "objectAlias: x, wholeFile")).unwrap();
    assert!(
        class.warnings[0]
            .to_string()
            .contains("has no effect, because wholeFile is false")
    );
    let off = parse("- {objectName: s, objectType: secretsmanager, jsonKeys: false}").unwrap();
    assert_eq!(off.open_files().count(), 0);
}

#[test]
fn a_file_is_required_unless_its_entry_or_item_is_optional() {
    use provider_class::Presence::{Optional, Required};
    let class = parse(
        "- {objectName: a, objectType: secretsmanager, optional: true, jmesPath: [{path: p, objectAlias: b}]}
- {objectName: c, objectType: secretsmanager, jmesPath: [{path: p, objectAlias: d, optional: true}], jsonKeys: {prefix: e-}}
- {objectName: f, objectType: secretsmanager, optional: true, jsonKeys: {prefix: g-}}
",
    )
    .unwrap();
    for (path, presence) in [
        ("a", Some(Optional)),
        ("b", Some(Optional)),
        ("c", Some(Required)),
        ("d", Some(Optional)),
        ("e-x", Some(Required)),
        ("g-x", Some(Optional)),
        ("e-", None),
        ("x", None),
    ] {
        assert_eq!(class.presence(path), presence, "{path}");
    }
}
