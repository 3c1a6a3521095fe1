//! Any text as the `objects` of a class, as a path translation, and as a file with classes: parsing and planning never panic,
//! no file is outside the mount, and every object has its request. Text that is repeated up to the maximum size of a class is
//! parsed within the time limit (`-timeout` in `run`).

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use provider_class::{Class, Document, SecretProviderClassSpec};

fuzz_target!(|input: &str| {
    // If there are several lines, the first is the path translation.
    let (translation, objects) = input.split_once('\n').unwrap_or(("", input));
    for (translation, objects) in [("", input), (translation, objects), ("False", input)] {
        let parameters = [("objects", objects), ("pathTranslation", translation), ("failoverRegion", "us-west-2")];
        check(&SecretProviderClassSpec::aws(parameters));
    }
    // This is slow, so it is not done for every input.
    if !input.is_empty() && input.len().is_multiple_of(64) {
        let objects = input.repeat((127 * 1024) / input.len());
        check(&SecretProviderClassSpec::aws([("objects", objects)]));
    }
    for document in Document::read_all(input).into_iter().flatten() {
        check(&document.class.spec);
    }
});

fn check(spec: &SecretProviderClassSpec) {
    let Ok(class) = Class::parse("fuzz", spec) else { return };
    for file in class.files() {
        let path: &Path = file.path.as_ref();
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        assert!(!file.path.as_str().starts_with(".."), "{path:?}");
    }
    let region = "us-east-2".parse().expect("a region");
    // An ARN may be in another one.
    let Ok(plan) = class.resolve(Some(&region)) else { return };
    let planned: usize = plan.requests.iter().map(|planned| planned.objects.len()).sum();
    assert_eq!(planned, class.objects.len());
    for object in &class.objects {
        // Values come from outside. Any value yields an error or a file.
        let made = object.contents(br#"{"a": [1.10, {"b": null}], "c-d": "x", "e": true, "../f": 1}"#);
        for file in made.unwrap_or_default().files {
            let path: &Path = file.contents.file.path.as_ref();
            assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        }
    }
    let _ = provider_class::policy::of_pod(&[&class], Some(&region));
}
