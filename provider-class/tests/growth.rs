//! Work grows as its input does, whatever stands in it: classes of many entries are parsed and planned within a limit that
//! work for each pair of them would pass by far. Nothing here asserts a time; what is too slow is stopped by the limit of
//! the whole run, and the shapes are those that were quadratic.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::format_collect, reason = "short texts of tests")]

use serde_json::json;

use provider_class::{
    Class, ClassError, Contents, Request, SecretProviderClassSpec, collisions, parameter_calls,
};

fn parse(name: &str, objects: String) -> Result<Class, String> {
    let spec = SecretProviderClassSpec::aws([
        ("region", "us-east-2".to_owned()),
        ("pathTranslation", "False".to_owned()),
        ("objects", objects),
    ]);
    Class::parse(name, &spec).map_err(|invalid| invalid.to_string())
}

/// Three times as many entries as a class can have.
const MANY: usize = 10_000;

#[test]
fn many_secrets_are_planned() {
    let entries =
        (0..MANY).map(|n| format!("- {{objectName: s{n}, objectType: secretsmanager}}\n"));
    let class = parse("a", entries.collect()).unwrap();
    assert_eq!(class.resolve(None).unwrap().requests.len(), MANY);
    assert!(
        collisions(&[&class, &class]).is_ok(),
        "one class twice is its own business"
    );
}

/// The number of calls for the parameters of a class, which has nothing else.
fn calls(class: &Class) -> usize {
    let plan = class.resolve(None).unwrap();
    let requests = plan.requests.iter().map(|planned| match &planned.request {
        Request::Parameter(parameter) => ((), parameter),
        Request::Secret(_) | Request::Path(_) => panic!("no parameter"),
    });
    parameter_calls(requests).len()
}

#[test]
fn many_versions_of_one_parameter_are_planned() {
    let entries = (1..=MANY).map(|n| {
        format!("- {{objectName: /p, objectType: ssmparameter, objectVersion: {n}, objectAlias: a{n}}}\n")
    });
    let class = parse("a", entries.collect()).unwrap();
    assert_eq!(calls(&class), MANY);
}

#[test]
fn many_parameters_are_planned() {
    let entries = (0..MANY).map(|n| format!("- {{objectName: /p{n}, objectType: ssmparameter}}\n"));
    let class = parse("a", entries.collect()).unwrap();
    assert_eq!(calls(&class), MANY / 10);
}

#[test]
fn nested_brackets_are_refused() {
    for bracket in ["[", "{a: ", "{'}': "] {
        let error = parse("a", format!("- {}", bracket.repeat(MANY))).unwrap_err();
        assert!(error.contains("more than 32 brackets"), "{error}");
    }
}

#[test]
fn many_mistakes_are_found_with_their_lines() {
    let entries = (0..MANY).map(|_| "- {objectName: same, objectType: secretsmanager}\n");
    let error = parse("a", entries.collect()).unwrap_err();
    assert_eq!(error.lines().count(), 51);
    assert!(error.contains("(line 51 of objects)"), "{error}");
}

#[test]
fn many_directories_are_compared() {
    let deep = "a/".repeat(500);
    let entries = (0..2000).map(|n| {
        format!("- {{objectName: s, objectType: secretsmanager, objectAlias: {deep}{n}}}\n")
    });
    assert!(parse("a", entries.collect()).is_ok());
}

#[test]
fn names_are_compared_with_few_patterns() {
    let entries = (0..MANY).map(|n| {
        format!("- {{objectName: s{n}, objectType: secretsmanager, wholeFile: false, jsonKeys: {{prefix: s{n}-}}}}\n")
    });
    let objects: String = entries.collect();
    let keys =
        (0..1000).map(|n| json!({"objectName": format!("s{n}-key"), "key": format!("k{n}")}));
    let mut spec = SecretProviderClassSpec::aws([("objects", objects.as_str())]);
    spec.secret_objects =
        vec![json!({"secretName": "db", "type": "Opaque", "data": keys.collect::<Vec<_>>()})];
    let error = Class::parse("a", &spec).unwrap_err().to_string();
    assert!(
        error.contains(&format!("{MANY} entries have jsonKeys or an objectPath")),
        "{error}"
    );
    let few: Vec<&str> = objects.lines().take(256).collect();
    spec.parameters.insert("objects".to_owned(), few.join("\n"));
    let error = Class::parse("a", &spec).unwrap_err().to_string();
    assert!(error.contains("\"s256-key\""), "{error}");
    let keys = spec.secret_objects[0]["data"].as_array_mut().unwrap();
    keys.truncate(256);
    Class::parse("a", &spec).unwrap();
}

#[test]
fn many_unknown_files_are_not_looked_for_one_by_one() {
    let entries =
        (0..MANY).map(|n| format!("- {{objectName: s{n}, objectType: secretsmanager}}\n"));
    let keys = (0..1000).map(|n| json!({"objectName": format!("x{n}"), "key": format!("k{n}")}));
    let mut spec = SecretProviderClassSpec::aws([("objects", entries.collect::<String>())]);
    spec.secret_objects =
        vec![json!({"secretName": "db", "type": "Opaque", "data": keys.collect::<Vec<_>>()})];
    let error = Class::parse("a", &spec).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 51, "{error}");
}

#[test]
fn many_unknown_fields_are_warned_about_with_a_bound() {
    let fields = (0..MANY).map(|n| format!("  objectAliasOfEntry{n}: x\n"));
    let entry = "- objectName: a\n  objectType: secretsmanager\n".to_owned();
    let class = parse("a", entry + &fields.collect::<String>()).unwrap();
    assert_eq!(class.warnings.len(), 50);
}

#[test]
fn many_documents_and_items_are_read() {
    let class = |n: usize| {
        format!(
            "- apiVersion: secrets-store.csi.x-k8s.io/v1\n  kind: SecretProviderClass\n  metadata: {{name: c{n}}}\n  spec:\n    provider: aws\n    parameters:\n      objects: |\n        - objectName: s\n          objectType: ssn\n"
        )
    };
    let list = format!(
        "kind: List\nitems:\n{}",
        (0..5000).map(class).collect::<String>()
    );
    let documents = (0..5000).map(|n| {
        let item = class(n).replacen("- ", "  ", 1);
        let lines = item.lines().map(|line| line.get(2..).unwrap());
        format!("---\n{}\n", lines.collect::<Vec<_>>().join("\n"))
    });
    for text in [list, documents.collect()] {
        let contents = Contents::read(&text);
        assert_eq!((contents.classes.len(), contents.errors.len()), (5000, 0));
        let lines: Vec<&str> = text.lines().collect();
        for class in &contents.classes {
            let Err(ClassError::Invalid(mut invalid)) = class.parse() else {
                panic!("{class:?}")
            };
            let place = class.place(&mut invalid.problems[0].field).unwrap();
            assert!(
                lines[place.line - 1][place.column - 1..].starts_with("objectType: ssn"),
                "{place:?}"
            );
        }
    }
}

/// Each is about as long as all templates of a class can be.
#[test]
fn templates_are_parsed_in_one_pass() {
    let objects: String = (0..2000)
        .map(|n| format!("- {{objectName: s{n}, objectType: secretsmanager, jsonKeys: {{prefix: p{n}-}}, wholeFile: false}}\n"))
        .collect();
    let name = "n".repeat(2000);
    for piece in [
        "{{",
        "{{ files[\"",
        "{{ files[\"s\"] }}",
        "{{ files['p1-a'] | upper }}",
        "{{ \"{{\" }}",
        "{{ '\\\\",
        " | trim",
        "{{ files['a'] | ",
        "{ {",
        "\n",
        "\\",
        &format!("{{{{ files['{name}'] }}}}"),
    ] {
        let text = piece.repeat(60_000 / piece.len());
        for template in [text.clone(), format!("{{{{ files['p1-a']{text}")] {
            let entry = serde_json::json!([{"objectAlias": "t", "template": template}]);
            let spec = SecretProviderClassSpec::aws([
                ("objects", objects.clone()),
                ("templates", entry.to_string()),
            ]);
            // Most are refused; none may take time for each pair of characters or names.
            let _ = Class::parse("a", &spec);
        }
    }
}
