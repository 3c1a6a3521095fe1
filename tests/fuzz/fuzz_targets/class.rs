//! Any text as the `objects` of a class, as a path translation, and as a file with classes: parsing and planning never
//! panic, no file leaves the mount, and every object has its request.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use provider_class::{Class, Document, SecretProviderClassSpec};

fuzz_target!(|input: &str| {
    // The first line, where there are several, is the path translation.
    let (translation, objects) = input.split_once('\n').unwrap_or(("", input));
    for (translation, objects) in [("", input), (translation, objects), ("False", input)] {
        let parameters = [("objects", objects), ("pathTranslation", translation), ("failoverRegion", "us-west-2")];
        let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
        check(&SecretProviderClassSpec { parameters: parameters.into(), ..Default::default() });
    }
    for document in Document::read_all(input).into_iter().flatten() {
        check(&document.class.spec);
    }
});

fn check(spec: &SecretProviderClassSpec) {
    let region = "us-east-2".parse().expect("a region");
    let Ok(parsed) = Class::parse("fuzz", spec, Some(&region)) else { return };
    let class = parsed.class;
    for file in class.files() {
        let path: &Path = file.path.as_ref();
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        assert!(!file.path.as_str().starts_with(".."), "{path:?}");
    }
    let plan = class.plan().expect("the region is known");
    let planned: usize = plan.requests.iter().map(|planned| planned.objects.len()).sum();
    assert_eq!(planned, class.objects.len());
    for object in &class.objects {
        // Values come from elsewhere: whatever they are, an error or contents.
        let _ = object.contents(br#"{"a": [1.10, {"b": null}], "c-d": "x", "e": true}"#);
    }
    let _ = provider_class::policy::of_pod(&[class]);
}
