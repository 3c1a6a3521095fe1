//! Whatever stands in a class, planning it never panics and no file lands outside the mount.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Component, Path};

use proptest::prelude::*;
use provider_class::{
    Class, ClassError, Contents, FilePath, Request, SecretProviderClassSpec, parameter_calls,
};

/// Words of which names with a meaning are made, among them all that could lead out of a directory.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("/".to_owned()),
        Just("../".to_owned()),
        Just("a".to_owned()),
        Just("_".to_owned()),
        Just("..data".to_owned()),
        Just("\\".to_owned()),
        Just("\0".to_owned()),
        Just("é".to_owned()),
        Just("arn:aws:ssm:us-east-2:111122223333:parameter/".to_owned()),
        Just(":".to_owned()),
        Just(" ".to_owned()),
        ".{0,3}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn objects() -> impl Strategy<Value = String> {
    let kind = prop_oneof![Just("secretsmanager"), Just("ssmparameter"), Just("ssm")];
    let item = (name(), name())
        .prop_map(|(path, alias)| serde_json::json!({"path": path, "objectAlias": alias}));
    let keys = prop_oneof![
        Just(serde_json::Value::Null),
        Just(true.into()),
        name().prop_map(|prefix| serde_json::json!({"prefix": prefix})),
    ];
    let fields = (kind, prop::option::of(name()), keys, any::<[bool; 2]>());
    let entry = (name(), fields, prop::collection::vec(item, 0..3)).prop_map(
        |(name, (kind, alias, keys, [optional, whole]), items)| {
            serde_json::json!({
                "objectName": name, "objectType": kind, "objectAlias": alias, "jmesPath": items,
                "jsonKeys": keys, "optional": optional, "wholeFile": whole,
            })
        },
    );
    prop::collection::vec(entry, 0..4)
        .prop_map(|entries| serde_json::Value::Array(entries).to_string())
}

/// Templates, put together at random.
fn template() -> impl Strategy<Value = String> {
    let pieces = [
        "{{",
        "}}",
        "{%",
        "{",
        "}",
        " ",
        "\n",
        "-",
        "files",
        ".a",
        "[\"a\"]",
        "[",
        "]",
        "(",
        ")",
        "\"",
        "'",
        "\\",
        "|",
        "tojson",
        "b64decode",
        "urlencode",
        "default",
        "(\"x\")",
        "x",
        "if",
        "é",
        "\0",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..30)
        .prop_map(|pieces| pieces.concat())
}

fn is_inside(path: &FilePath) {
    let text = path.as_str();
    let path: &Path = path.as_ref();
    let mut parts = path.components();
    assert!(
        parts.all(|part| matches!(part, Component::Normal(_))),
        "{text}"
    );
    assert!(!text.is_empty() && !text.starts_with(".."), "{text}");
}

/// Every class is checked with these keys and parameter names.
const NAMES: [&str; 8] = ["a", "", "..", "../a", "a/../../b", "/a", "..data", "\0"];

fn check(objects: String, translation: String) {
    let spec = SecretProviderClassSpec::aws([
        ("objects", objects),
        ("pathTranslation", translation),
        ("region", "us-east-2".to_owned()),
    ]);
    let Ok(class) = Class::parse("any", &spec) else {
        return;
    };
    for file in class.files() {
        is_inside(&file.path);
    }
    for name in NAMES {
        let value = serde_json::json!({name: "value"}).to_string();
        for object in &class.objects {
            let made = object.contents(value.as_bytes()).unwrap_or_default();
            for file in made.files {
                is_inside(&file.contents.file.path);
            }
        }
    }
    let plan = class.resolve(None).unwrap();
    let planned: usize = plan
        .requests
        .iter()
        .map(|planned| planned.objects.len())
        .sum();
    assert_eq!(planned, class.objects.len(), "every object has its request");
    let requests = plan.requests.iter().map(|planned| &planned.request);
    let parameters: Vec<_> = requests
        .filter_map(|request| match request {
            Request::Parameter(parameter) => Some(((), parameter)),
            Request::Secret(_) | Request::Path(_) => None,
        })
        .collect();
    let count = parameters.len();
    let calls = parameter_calls(parameters);
    assert_eq!(calls.iter().map(Vec::len).sum::<usize>(), count);
}

/// A file of any text, and of classes with any text.
fn check_file(text: &str) {
    let contents = Contents::read(text);
    for class in &contents.classes {
        if let Err(ClassError::Invalid(invalid)) = class.parse() {
            for mut problem in invalid.problems {
                let place = class.place(&mut problem.field).unwrap();
                // The reader may stop at the end of the last line, which is the beginning of one more.
                assert!(place.line <= text.lines().count() + 1, "{place:?} {text:?}");
            }
        }
    }
}

/// A few seconds; `PROPTEST_CASES` sets more.
fn cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return config;
    }
    ProptestConfig {
        cases: 500,
        ..config
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_template_is_refused_or_rendered_without_a_value_in_the_error(template in template()) {
        let format = template.len() % 5;
        let format = ["dotenv", "json", "properties", "shell", "yaml"][format];
        let entry = serde_json::json!([{"objectAlias": "t", "template": template}, {"objectAlias": "d", "format": format, "uppercase": true}]);
        let spec = SecretProviderClassSpec::aws([
            ("objects", "- {objectName: a, objectType: secretsmanager}".to_owned()),
            ("templates", entry.to_string()),
        ]);
        if let Ok(class) = Class::parse("any", &spec) {
            let files = [("a", "hunter2".as_bytes())].into();
            if let Err(errors) = class.render(&files) {
                let shown = format!("{errors:?}{}", errors[0]);
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
    }

    #[test]
    fn names_stay_below_the_mount(objects in objects(), translation in prop_oneof![Just("False".to_owned()), Just(String::new()), Just(".".to_owned()), Just("/".to_owned()), ".{1}"]) {
        check(objects, translation);
    }

    #[test]
    fn any_text_is_a_class_or_an_error(objects in "(?s).{0,200}") {
        check(objects, String::new());
    }

    #[test]
    fn any_yaml_like_text_is_a_class_or_an_error(objects in "[-: \\[\\]{}&*<|>!?%@`'\"#,\n\\\\a-c0-1objectName]{0,100}") {
        check(objects, String::new());
    }

    #[test]
    fn any_file_has_classes_or_errors(text in "(?s).{0,100}", parameters in "[-: \\[\\]{}&*<|>!?%@`'\"#,\n\\\\a-c0-1objectName]{0,100}") {
        check_file(&text);
        check_file(&parameters);
        let head = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: a}\nspec:\n  provider: aws\n  parameters:";
        let indented = parameters.replace('\n', "\n      ");
        check_file(&format!("{head}\n    objects: |\n      {indented}\n"));
        check_file(&format!("{head}\n    objects:\n      {indented}\n"));
        check_file(&format!("{head} {{{parameters}}}\n"));
        check_file(&format!("kind: List\nitems: [{parameters}]\n---\n{head}\n---\n{parameters}"));
    }
}
