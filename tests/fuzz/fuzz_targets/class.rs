//! Any text as the `objects` of a class, as a path translation, as a template, and as a file with classes: parsing, planning and
//! rendering never panic, no file is outside the mount, and every object has its request. Text that is repeated up to the
//! maximum size of a class is parsed within the time limit (`-timeout` in `run`), and any template is rendered within it.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use provider_class::{Class, Document, SecretProviderClassSpec};

/// Checks one input.
pub(crate) fn run(input: &str) {
    // If there are several lines, the first is the path translation.
    let (translation, objects) = input.split_once('\n').unwrap_or(("", input));
    for (translation, objects) in [("", input), (translation, objects), ("False", input)] {
        let parameters = [
            ("objects", objects),
            ("pathTranslation", translation),
            ("failoverRegion", "us-west-2"),
        ];
        check(&SecretProviderClassSpec::aws(parameters));
    }
    for templates in [template(input), input.to_owned()] {
        check(&SecretProviderClassSpec::aws([
            ("objects", TEXT_AND_BYTES),
            ("templates", &templates),
        ]));
    }
    // This is slow, so it is not done for every input.
    if !input.is_empty() && input.len().is_multiple_of(64) {
        let objects = input.repeat((127 * 1024) / input.len());
        check(&SecretProviderClassSpec::aws([("objects", objects)]));
    }
    for document in Document::read_all(input).into_iter().flatten() {
        check(&document.class.spec);
    }
}

/// Two secrets for the template: [`render`] gives one text and the other bytes.
const TEXT_AND_BYTES: &str =
    "[{objectName: a, objectType: secretsmanager}, {objectName: b, objectType: secretsmanager}]";

/// The `templates` with one template, and all formats; JSON is YAML.
fn template(source: &str) -> String {
    let formats = ["dotenv", "json", "properties", "shell", "yaml"];
    let formats = formats
        .map(|format| serde_json::json!({"objectAlias": format, "format": format, "files": ["a"]}));
    let text = serde_json::json!({"objectAlias": "t", "template": source});
    serde_json::Value::Array([text].into_iter().chain(formats).collect()).to_string()
}

/// The most bytes that a template makes.
const LARGEST: usize = 1024 * 1024;

/// Renders the templates with text in every second file of the objects, and with bytes that are no text in the others.
fn render(class: &Class) {
    let contents: [&[u8]; 2] = [b"p@ss 'word'\n", b"\xff\0"];
    let names = class
        .objects
        .iter()
        .flat_map(provider_class::Object::files)
        .map(|(file, _)| file.path.as_str());
    let files: BTreeMap<&str, &[u8]> = names.zip(contents.into_iter().cycle()).collect();
    for made in class.render(&files).unwrap_or_default() {
        assert!(
            made.contents.bytes.len() <= LARGEST,
            "{} bytes",
            made.contents.bytes.len()
        );
    }
}

fn check(spec: &SecretProviderClassSpec) {
    let Ok(class) = Class::parse("fuzz", spec) else {
        return;
    };
    for file in class.files() {
        let path: &Path = file.path.as_ref();
        assert!(
            path.components()
                .all(|part| matches!(part, Component::Normal(_))),
            "{}",
            path.display()
        );
        assert!(!file.path.as_str().starts_with(".."), "{}", path.display());
    }
    let region = "us-east-2".parse().expect("a region");
    // An ARN may be in another one.
    let Ok(plan) = class.resolve(Some(&region)) else {
        return;
    };
    let planned: usize = plan
        .requests
        .iter()
        .map(|planned| planned.objects.len())
        .sum();
    assert_eq!(planned, class.objects.len());
    for object in &class.objects {
        // Values come from outside. Any value yields an error or a file.
        let made =
            object.contents(br#"{"a": [1.10, {"b": null}], "c-d": "x", "e": true, "../f": 1}"#);
        for file in made.unwrap_or_default().files {
            let path: &Path = file.contents.file.path.as_ref();
            assert!(
                path.components()
                    .all(|part| matches!(part, Component::Normal(_))),
                "{}",
                path.display()
            );
        }
    }
    render(&class);
    let _ = provider_class::policy::of_pod(&[&class], Some(&region));
}
