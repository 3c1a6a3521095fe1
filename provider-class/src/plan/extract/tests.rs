use super::*;
use crate::{Class, SecretProviderClassSpec};

fn object(paths: &[&str]) -> Object {
    let items: Vec<_> = paths
        .iter()
        .enumerate()
        .map(|(n, path)| serde_json::json!({"path": path, "objectAlias": format!("file{n}")}))
        .collect();
    let objects =
        serde_json::json!([{"objectName": "s", "objectType": "secretsmanager", "jmesPath": items}]);
    let spec = SecretProviderClassSpec::aws([("objects", objects.to_string())]);
    Class::parse("test", &spec).unwrap().objects.remove(0)
}

fn written(path: &str, json: &str) -> Result<String, String> {
    let made = object(&[path])
        .contents(json.as_bytes())
        .map_err(|errors| errors[0].to_string())?;
    let [(_, whole), (_, part)] = &files(&made)[..] else {
        panic!("the whole value and its part: {made:?}")
    };
    assert_eq!(whole, json, "the whole value is written too");
    Ok(part.clone())
}

/// The files by name.
fn files(made: &Made) -> Vec<(String, String)> {
    let files = made.files.iter();
    files
        .map(|file| {
            let text = String::from_utf8_lossy(&file.contents.bytes).into_owned();
            (file.path().to_owned(), text)
        })
        .collect()
}

/// What an entry with these fields makes of a value.
fn made(fields: &str, value: &str) -> Result<Made, Vec<String>> {
    let objects = format!("- {{objectName: s, objectType: secretsmanager, {fields}}}");
    let spec = SecretProviderClassSpec::aws([("objects", objects)]);
    let class = Class::parse("test", &spec).unwrap();
    let made = class.objects[0].contents(value.as_bytes());
    made.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn assert_files(fields: &str, value: &str, expected: &[(&str, &str)]) {
    let made = made(fields, value).unwrap();
    let found = files(&made);
    let found: Vec<_> = found
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(found, expected, "{fields}");
}

#[test]
fn strings_numbers_and_booleans_are_written() {
    let json = r#"{"a": "x\ny", "port": 5432, "price": 1.10, "on": true, "empty": "", "n": {"m": [{"k": "deep"}]}, "api-key": "q"}"#;
    for (path, text) in [
        ("a", "x\ny"),
        ("port", "5432"),
        ("price", "1.10"),
        ("on", "true"),
        ("empty", ""),
        ("n.m[0].k", "deep"),
        ("\"api-key\"", "q"),
        ("to_string(port)", "5432"),
        ("length(a)", "3"),
        ("join('-', [a, a])", "x\ny-x\ny"),
    ] {
        assert_eq!(written(path, json).as_deref(), Ok(text), "{path}");
    }
}

/// `1.1` and `1.10` are one number, and each is written as it is where its keys tell which one it is.
#[test]
fn two_spellings_of_a_number_are_told_apart_by_their_keys() {
    let json =
        r#"{"minimum": 1.1, "n": {"a-b": 1.10}, "list": [1.10], "twice": 1.1, "twice": 1.10}"#;
    for (path, text) in [("minimum", "1.1"), ("n.\"a-b\"", "1.10"), ("twice", "1.10")] {
        assert_eq!(written(path, json).as_deref(), Ok(text), "{path}");
    }
    let error = written("list[0]", json).unwrap_err();
    assert!(error.contains("store it as a string"), "{error}");
}

#[test]
fn everything_else_is_an_error_without_the_value() {
    let json = r#"{"list": ["hunter2"], "object": {"k": "hunter2"}, "null": null, "s": "hunter2"}"#;
    for (path, reason) in [
        ("list", "gives a list"),
        ("object", "gives an object"),
        ("null", "finds nothing"),
        ("missing", "finds nothing"),
        ("abs(s)", "fails: argument"),
    ] {
        let error = written(path, json).unwrap_err();
        assert!(
            error.starts_with(&format!(
                "objects[0] \"s\": jmesPath[0]: path {path:?} for the file \"file0\" {reason}"
            )),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_path_that_would_work_quoted_says_so() {
    let error = written("db.host", r#"{"db.host": "x"}"#).unwrap_err();
    assert!(error.ends_with("write path: '\"db.host\"'"), "{error}");
}

#[test]
fn what_was_written_after_an_older_hint_gets_the_right_one() {
    let error = written("\"$\".username", r#"{"username": "x"}"#).unwrap_err();
    assert!(error.ends_with("write path: username"), "{error}");
}

#[test]
fn all_failing_paths_are_named() {
    assert_eq!(
        object(&["a", "b", "c"])
            .contents(b"{\"b\": 1}")
            .unwrap_err()
            .len(),
        2
    );
}

#[test]
fn what_is_not_json_is_refused_without_its_content() {
    for value in [&b"hunter2"[..], b"{\"hunter2\": ", b"\xffhunter2"] {
        let error = object(&["a"]).contents(value).unwrap_err()[0].to_string();
        assert!(
            error.starts_with("objects[0] \"s\": jmesPath: the value is not JSON")
                && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn without_paths_any_bytes_do() {
    let made = object(&[]).contents(&[0, 255, 10]).unwrap();
    assert_eq!(&made.files[0].contents.bytes[..], [0, 255, 10]);
}

const JSON: &str =
    r#"{"user": "app", "port": 1.10, "list": [1, "a\"b"], "none": null, "empty": ""}"#;

#[test]
fn every_key_becomes_a_file_with_its_json_text_or_string() {
    assert_files(
        "jsonKeys: true, wholeFile: false",
        JSON,
        &[
            ("empty", ""),
            ("list", "[1, \"a\\\"b\"]"),
            ("port", "1.10"),
            ("user", "app"),
        ],
    );
    assert_files(
        "jsonKeys: {prefix: db/}",
        r#"{"a": "first", "a": "second", "c/d": true}"#,
        &[
            ("s", r#"{"a": "first", "a": "second", "c/d": true}"#),
            ("db_a", "second"),
            ("db_c_d", "true"),
        ],
    );
    let made = made("jsonKeys: true", JSON).unwrap();
    assert_eq!(
        made.warnings,
        ["objects[0] \"s\": jsonKeys[\"none\"]: is null and becomes no file"]
    );
    let modes = |fields: &str| {
        let made = self::made(fields, r#"{"a": 1}"#).unwrap();
        let files = made.files.iter();
        let modes = files.map(|file| file.contents.file.mode.to_string());
        modes.collect::<Vec<_>>()
    };
    assert_eq!(modes("jsonKeys: true, filePermission: '0400'"), ["0400"; 2]);
    assert_eq!(
        modes("jsonKeys: {filePermission: '0440'}, filePermission: '0400'"),
        ["0400", "0440"]
    );
}

#[test]
fn keys_that_are_no_files_are_named_without_their_values() {
    let long = format!("{{\"{}\": \"hunter2\"}}", "k".repeat(300));
    let many: Vec<_> = (0..1001).map(|n| format!("\"{n}\": 1")).collect();
    let many = format!("{{{}}}", many.join(","));
    for (value, words) in [
        (
            r#"{"..": "hunter2"}"#,
            "jsonKeys[\"..\"]: cannot be a file: \"..\" leads out",
        ),
        (
            r#"{"": "hunter2"}"#,
            "jsonKeys[\"\"]: cannot be a file: \"\" is not a file name",
        ),
        (
            r#"{"..data": "hunter2"}"#,
            "which is reserved for the directory's own links; rename the key",
        ),
        (r#"{"a\u0000": "hunter2"}"#, "has a NUL character"),
        (&long, "more than the 255"),
        (&many, "has 1001 keys, but at most 1000"),
        (
            r#"["hunter2"]"#,
            "jsonKeys: the value is JSON, but not an object",
        ),
        ("hunter2", "jsonKeys: the value is not JSON"),
    ] {
        let errors = made("jsonKeys: true", value).unwrap_err();
        assert!(errors[0].contains(words), "{words}: {errors:?}");
        assert!(!errors[0].contains("hunter2"), "{errors:?}");
    }
}

#[test]
fn an_optional_path_that_finds_nothing_makes_no_file() {
    let fields = "jmesPath: [{path: user, objectAlias: u}, {path: none, objectAlias: n, optional: true}, {path: x, objectAlias: x, optional: true}], wholeFile: false";
    let made = made(fields, JSON).unwrap();
    assert_eq!(files(&made), [("u".to_owned(), "app".to_owned())]);
    assert_eq!(made.missing.len(), 2);
    assert_eq!(
        made.missing[0],
        "objects[0] \"s\": jmesPath[1]: path \"none\" finds nothing; the optional file \"n\" is missing"
    );
    let fields = "jmesPath: [{path: list, objectAlias: u, optional: true}]";
    let errors = self::made(fields, JSON).unwrap_err();
    assert!(errors[0].contains("gives a list"), "{errors:?}");
    let errors = self::made(fields, "no json").unwrap_err();
    assert!(errors[0].contains("is not JSON"), "{errors:?}");
}

#[test]
fn a_value_is_decoded_before_anything_is_taken_out_of_it() {
    assert_files("objectEncoding: base64", "aGk=", &[("s", "hi")]);
    assert_files("objectEncoding: hex", "6869", &[("s", "hi")]);
    assert_files("objectEncoding: utf-8", "6869", &[("s", "6869")]);
    // {"a":"YQ"}
    let value = "eyJhIjoiWVEifQ==";
    assert_files(
        "objectEncoding: base64, jsonKeys: true, jmesPath: [{path: a, objectAlias: b, objectEncoding: base64}]",
        value,
        &[("s", r#"{"a":"YQ"}"#), ("b", "a"), ("a", "YQ")],
    );
    for (fields, value, words) in [
        (
            "objectEncoding: base64",
            "hunter2!",
            "objects[0] \"s\": objectEncoding: the value is not base64: it has a character of another alphabet at position 8",
        ),
        (
            "jmesPath: [{path: user, objectAlias: b, objectEncoding: hex}]",
            r#"{"user": "hunter2"}"#,
            "objects[0] \"s\": jmesPath[0].objectEncoding: the value is not hex",
        ),
    ] {
        let errors = made(fields, value).unwrap_err();
        assert!(errors[0].starts_with(words), "{errors:?}");
        assert!(!errors[0].contains("hunter2"), "{errors:?}");
    }
}

#[test]
fn a_file_with_a_new_name_meets_no_other() {
    let class = |objects: &str, translation: &str| {
        let spec =
            SecretProviderClassSpec::aws([("objects", objects), ("pathTranslation", translation)]);
        Class::parse("test", &spec).unwrap()
    };
    let collisions = |class: &Class, values: &[&str]| {
        let mut made = Vec::new();
        for (object, value) in class.objects.iter().zip(values) {
            made.extend(object.contents(value.as_bytes()).unwrap().files);
        }
        let collisions = class.check_made(&[], &made).into_iter();
        collisions
            .map(|collision| collision.to_string())
            .collect::<Vec<_>>()
    };
    let keys = "- {objectName: s, objectType: secretsmanager, jsonKeys: true}\n";
    let one = class(keys, "False");
    assert_eq!(collisions(&one, &[r#"{"a": 1, "b": 2}"#]), [""; 0]);
    assert_eq!(
        collisions(&one, &[r#"{"s": 1}"#]),
        [
            "objects[0] \"s\": jsonKeys[\"s\"]: writes the file \"s\", but objects[0] \"s\" writes it too: rename one of them, or set a prefix in jsonKeys or an objectAlias"
        ]
    );
    let found = collisions(&one, &[r#"{"a": 1, "a/b": 2}"#]);
    assert!(
        found[0].contains("one cannot be a file and the other's directory"),
        "{found:?}"
    );
    let two = class(
        &format!("{keys}- {{objectName: t, objectType: secretsmanager, jsonKeys: true}}"),
        "",
    );
    let found = collisions(&two, &[r#"{"a/b": 1}"#, r#"{"a_b": 2}"#]);
    assert!(
        found[0].starts_with("objects[1] \"t\": jsonKeys[\"a_b\"]: writes the file \"a_b\", but jsonKeys[\"a/b\"] of objects[0] \"s\""),
        "{found:?}"
    );
    // What an earlier fetch made of an unchanged secret.
    let made = two.objects[1].contents(br#"{"a": 1}"#).unwrap().files;
    assert_eq!(two.check_made(&[(&two.objects[0], "a")], &made).len(), 1);
}
