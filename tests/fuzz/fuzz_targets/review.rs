//! Any bytes as the body of an AdmissionReview of a pod: reading never panics, and where a pod is injected, the patch
//! applies, the pod is still one, and a second pass finds nothing to do.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_secrets_webhook::admission::inject;
use aws_secrets_webhook::annotations::{Resources, Wanted};
use aws_secrets_webhook::injection::{Inputs, Settings};
use aws_secrets_webhook::review::{self, PODS};
use aws_secrets_webhook::service_account::Role;
use json_patch::Patch;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use libfuzzer_sys::fuzz_target;
use provider_class::{Class, SecretProviderClassSpec};
use serde_json::Value;

static ROLE: LazyLock<Role> = LazyLock::new(|| Role {
    arn: "arn:aws:iam::111122223333:role/web".parse().expect("an ARN"),
    audience: "sts.amazonaws.com".to_owned(),
    expiration: 3600,
});

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings {
    image: "injector:1".to_owned(),
    image_pull_policy: None,
    resources: Resources::default(),
    size_limit: Quantity("16Mi".to_owned()),
    environment: Vec::new(),
});

fuzz_target!(|body: &[u8]| {
    let Ok(request) = review::read::<Pod>(body, PODS) else { return };
    let Some(pod) = request.object else { return };
    let Some(patch) = patch_of(&pod) else { return };
    // Text that nobody reads may be no text.
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
    let mut raw = body["request"]["object"].clone();
    // The API server sends no pod without these.
    if !raw["spec"].is_object() || !raw["metadata"].is_object() {
        return;
    }
    json_patch::patch(&mut raw, &patch).expect("the patch applies");
    let injected: Pod = serde_json::from_value(raw).expect("it is still a pod");
    let again = patch_of(&injected).expect("it can be injected again");
    assert!(again.is_empty(), "{again:?}");
});

fn patch_of(pod: &Pod) -> Option<Patch> {
    let wanted = Wanted::read(pod.metadata.annotations.as_ref()?).ok()??;
    let region = "us-east-2".parse().expect("a region");
    let classes: Vec<_> = wanted.classes.iter().map(|mount| class(&mount.class)).collect();
    let inputs = Inputs {
        wanted: &wanted,
        classes: &classes,
        role: Some(&ROLE),
        default_region: Some(&region),
        settings: &SETTINGS,
        pod,
    };
    inject(inputs).ok().map(|admitted| admitted.patch)
}

/// A class with a file that few may read.
fn class(name: &str) -> (Class, BTreeMap<String, String>) {
    let objects = format!("- {{objectName: {name}, objectType: secretsmanager, filePermission: \"0440\"}}");
    let parameters = BTreeMap::from([("objects".to_owned(), objects)]);
    let spec = SecretProviderClassSpec { parameters: parameters.clone(), ..Default::default() };
    let region = "us-east-2".parse().expect("a region");
    let class = Class::parse(name, &spec, Some(&region)).expect("it is valid").class;
    (class, parameters)
}
