//! What a message says to write is written, and works.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::format_collect, reason = "short texts of tests")]

use proptest::prelude::*;
use provider_class::{Class, SecretProviderClassSpec, yaml};
use serde_json::{Value, json};

fn parse(parameters: &[(&str, &str)], objects: &str) -> Result<Class, String> {
    let defaults = [("region", "us-east-2"), ("objects", objects)];
    let spec = SecretProviderClassSpec::aws([&defaults, parameters].concat());
    Class::parse("app", &spec).map_err(|error| error.to_string())
}

/// A class with one path, as YAML has it.
fn with_path(path: &str) -> String {
    format!(
        "- objectName: a\n  objectType: secretsmanager\n  jmesPath:\n    - path: {path}\n      objectAlias: u\n"
    )
}

/// A text as JSON, which is YAML too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What the message says to write for the path, if it says so.
fn hint(message: &str) -> Option<&str> {
    message
        .split_once("write path: ")
        .map(|(_, hint)| hint.lines().next().unwrap())
}

/// What a class with this path in YAML takes out of a secret.
fn taken(path: &str, secret: &Value) -> Result<String, String> {
    let class = parse(&[], &with_path(path))?;
    let contents = class.objects[0]
        .contents(secret.to_string().as_bytes())
        .map_err(|errors| errors[0].to_string())?;
    Ok(String::from_utf8(contents.files[1].contents.bytes.to_vec()).unwrap())
}

#[test]
fn paths_of_other_languages_become_paths_that_find_the_value() {
    let secret = json!({
        "username": "v",
        "api-key": "v",
        "db": {"users": [{"name": "v"}], "host.name": "v"},
    });
    for path in [
        "$.username",
        ".username",
        "/username",
        "api-key",
        "$.api-key",
        ".api-key",
        "/api-key",
        "$.db.users[0].name",
        ".db.users[0].name",
        "/db/host.name",
    ] {
        let error = taken(&quoted(path), &secret).unwrap_err();
        let hint = hint(&error).unwrap_or_else(|| panic!("no hint: {error}"));
        assert_eq!(taken(hint, &secret), Ok("v".to_owned()), "{path}: {error}");
    }
    // Those that compile, and find nothing.
    for (path, secret) in [
        ("db.host", json!({"db.host": "v"})),
        ("\"$\".username", json!({"username": "v"})),
        ("\"/username\"", json!({"username": "v"})),
        ("\".username\"", json!({"username": "v"})),
    ] {
        let error = taken(&quoted(path), &secret).unwrap_err();
        let hint = hint(&error).unwrap_or_else(|| panic!("no hint: {error}"));
        assert_eq!(taken(hint, &secret), Ok("v".to_owned()), "{path}: {error}");
    }
}

#[test]
fn ecs_form_becomes_an_entry_with_the_same_meaning() {
    let arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:app-00AACC";
    let id = "0f2c1b7e-5f62-4d0e-9d3e-0c5f5c0f7a11";
    for key in ["username", "api-key", "db.host"] {
        let error = parse(
            &[],
            &format!("- {{objectName: \"{arn}:{key}:AWSPREVIOUS:{id}\", objectAlias: a}}"),
        )
        .unwrap_err();
        let path = error
            .split_once("(path: ")
            .unwrap()
            .1
            .split_once(')')
            .unwrap()
            .0;
        assert!(
            error.contains("write objectVersionLabel: AWSPREVIOUS"),
            "{error}"
        );
        assert!(
            error.contains(&format!("write objectVersion: {id}")),
            "{error}"
        );
        let class = parse(
            &[],
            &format!("- objectName: {arn}\n  objectAlias: a\n  objectVersionLabel: AWSPREVIOUS\n  objectVersion: {id}\n  jmesPath:\n    - path: {path}\n      objectAlias: u\n"),
        )
        .unwrap();
        let secret = json!({key: "v"}).to_string();
        let contents = class.objects[0].contents(secret.as_bytes()).unwrap();
        assert_eq!(&contents.files[1].contents.bytes[..], b"v", "{error}");
    }
}

#[test]
fn an_alias_that_is_proposed_makes_the_class_valid() {
    let secret = |name: &str, alias: &str, keys: &[&str]| {
        let items: Vec<_> = keys
            .iter()
            .map(|key| json!({"path": key, "objectAlias": key}))
            .collect();
        let mut entry =
            json!({"objectName": name, "objectType": "secretsmanager", "jmesPath": items});
        if !alias.is_empty() {
            entry["objectAlias"] = alias.into();
        }
        entry
    };
    for mut entries in [
        vec![secret("DB_PASSWORD", "", &["DB_PASSWORD"])],
        vec![secret("app/db", "", &["user", "app_db"])],
        vec![
            secret("DB", "", &["DB"]),
            secret("API", "", &["API"]),
            secret("x", "DB.json", &[]),
        ],
        vec![secret("A", "", &["B"]), secret("B", "", &["A"])],
        vec![secret("A", "x", &["A"]), secret("A", "", &[])],
    ] {
        // Each message is followed, one after the other.
        for _ in 0..10 {
            let Err(error) = parse(&[], &Value::from(entries.clone()).to_string()) else {
                break;
            };
            let line = error.lines().next().unwrap();
            let (_, rest) = line
                .split_once("give objects[")
                .unwrap_or_else(|| panic!("{line}"));
            let (index, _) = rest.split_once(']').unwrap();
            let (_, alias) = rest.split_once("such as ").unwrap();
            let alias: String = serde_json::from_str(alias).unwrap();
            let entry = &mut entries[index.parse::<usize>().unwrap()];
            assert_eq!(entry.get("objectAlias"), None, "{line}");
            entry["objectAlias"] = alias.into();
        }
        let class = parse(&[], &Value::from(entries.clone()).to_string());
        assert!(class.is_ok(), "{entries:?}: {class:?}");
    }
}

#[test]
fn a_permission_that_is_proposed_is_one() {
    for written in [
        "600",
        "0600x",
        "384",
        "0o640",
        "rw-r--r--",
        "9999999999",
        "-1",
        "0888",
    ] {
        let entry = |mode: &str| {
            format!(
                "- {{objectName: a, objectType: secretsmanager, filePermission: {}}}",
                quoted(mode)
            )
        };
        let error = parse(&[], &entry(written)).unwrap_err();
        let (_, proposed) = error.rsplit_once("such as ").unwrap();
        let proposed: String = serde_json::from_str(proposed).unwrap();
        assert!(parse(&[], &entry(&proposed)).is_ok(), "{error}");
    }
}

#[test]
fn a_name_that_is_proposed_is_valid() {
    for (name, kind) in [
        ("app/db", "ssmparameter"),
        ("/app//db/", "ssmparameter"),
        ("db/", "ssmparameter"),
        ("//db", "ssmparameter"),
    ] {
        let entry = |name: &str| format!("- {{objectName: {}, objectType: {kind}}}", quoted(name));
        let error = parse(&[], &entry(name)).unwrap_err();
        let (_, proposed) = error.rsplit_once("write ").unwrap();
        let proposed: String = serde_json::from_str(proposed).unwrap();
        assert!(parse(&[], &entry(&proposed)).is_ok(), "{error}");
    }
}

#[test]
fn a_region_that_is_proposed_is_valid() {
    let objects = "- {objectName: a, objectType: secretsmanager}";
    for region in [
        " us-east-2",
        "us-east-2 ",
        "US-EAST-2",
        "us-east-2a",
        "us_east_2",
        "us-east-2\u{a0}",
    ] {
        for parameter in ["region", "failoverRegion"] {
            let mut others = vec![("region", "eu-west-1")];
            others.retain(|_| parameter != "region");
            let with = |region: &str| {
                let mut parameters = others.clone();
                parameters.push((parameter, region));
                parse(&parameters, objects)
            };
            let error = with(region).unwrap_err();
            let (_, proposed) = error.rsplit_once("write ").unwrap();
            let proposed: String = serde_json::from_str(proposed).unwrap();
            assert!(with(&proposed).is_ok(), "{error}");
        }
    }
}

/// Pieces of which paths of several languages are made.
fn path() -> impl Strategy<Value = String> {
    let pieces = [
        "$", ".", "/", "[", "]", "'", "\"", "0", "*", "a", "b-c", "{", "}", "#", " ", "@", "|",
        "\\", "é", "null", "-", "_",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..8)
        .prop_map(|pieces| pieces.concat())
}

/// A value in which a path of keys and indexes finds something.
fn secret_for(path: &str) -> Value {
    // Keys in quotes are read by the program's own YAML and JSON readers, not by its path's.
    let mut value = Value::from("v");
    for step in steps(path).into_iter().rev() {
        value = match step.parse::<i64>() {
            Ok(index) => {
                let mut list = vec![value];
                for _ in 0..index.unsigned_abs().min(9) {
                    list.insert(0, Value::from("other"));
                }
                Value::from(list)
            }
            Err(_) if step == "*" => Value::from(vec![value]),
            Err(_) => {
                let key: String = serde_json::from_str(&step).unwrap_or(step);
                json!({key: value})
            }
        };
    }
    value
}

/// The steps of a path that the program has proposed.
fn steps(path: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let (mut in_quotes, mut escaped) = (false, false);
    for c in path.chars() {
        let last = steps.last_mut().unwrap();
        match c {
            _ if in_quotes => {
                last.push(c);
                in_quotes = escaped || c != '"';
                escaped = c == '\\' && !escaped;
            }
            '"' => {
                last.push(c);
                in_quotes = true;
            }
            '.' | '[' => steps.push(String::new()),
            ']' => {}
            _ => last.push(c),
        }
    }
    steps.retain(|step| !step.is_empty());
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// A hint is never something that fetch then refuses.
    #[test]
    fn whatever_the_path_its_hint_finds_the_value(path in path()) {
        let Err(error) = parse(&[], &with_path(&quoted(&path))) else { return Ok(()) };
        let Some(hint) = hint(&error) else { return Ok(()) };
        let class = parse(&[], &with_path(hint));
        prop_assert!(class.is_ok(), "{hint} is refused: {class:?}");
        let read = yaml::parse(hint).unwrap();
        let Some(proposed) = read.text() else {
            return Err(TestCaseError::fail(format!("{hint} is no string")));
        };
        let secret = secret_for(proposed);
        match taken(hint, &secret) {
            Ok(value) => prop_assert_eq!(value, "v", "{} in {}", hint, secret),
            // All items of a list are a list.
            Err(error) => prop_assert!(proposed.contains("[*]") && error.contains("gives a list"), "{}: {}", hint, error),
        }
    }
}
