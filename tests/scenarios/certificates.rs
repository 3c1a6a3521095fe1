//! Certificates that live for seconds, under a steady stream of pods: no admission fails while both the serving certificate
//! and its authority are exchanged again and again, the Secret is deleted, and the caBundle is overwritten.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::install::{self, DEPLOYMENT, NAMESPACE};
use e2e::progress::line;

use crate::life::{all_injected, prepared, stream};
use crate::world::{Namespace, World};

const SECRET: &str = "secret/aws-secrets-injector-certificates";
const CONFIGURATION: &str = "mutatingwebhookconfiguration/aws-secrets-injector";

/// Rotations that are waited for.
const SERVING: usize = 6;
const AUTHORITIES: usize = 3;

/// Begins anew with certificates of these lifetimes. Those that are there keep theirs, and replicas that run write a deleted
/// Secret back: so it is deleted while none runs.
fn begin_with(world: &World, authority: &str, serving: &str) {
    let webhook = |arguments: &[&str]| {
        let all = [&["-n", NAMESPACE], arguments].concat();
        world.kubectl.run(&all).unwrap()
    };
    webhook(&["scale", DEPLOYMENT, "--replicas=0"]);
    webhook(&["wait", "--for=delete", "pod", "--all", "--timeout=120s"]);
    webhook(&["delete", SECRET]);
    let authority = format!("AUTHORITY_LIFETIME={authority}");
    let serving = format!("CERTIFICATE_LIFETIME={serving}");
    webhook(&["set", "env", DEPLOYMENT, &authority, &serving]);
    webhook(&["scale", DEPLOYMENT, "--replicas=2"]);
    install::wait(&world.kubectl).unwrap();
}

/// A field of the Secret, as it is.
fn field(world: &World, name: &str) -> anyhow::Result<String> {
    let path = format!("jsonpath={{.data.{}}}", name.replace('.', "\\."));
    world
        .kubectl
        .run(&["-n", NAMESPACE, "get", SECRET, "-o", &path])
}

/// The caBundle of a configuration.
pub(crate) fn ca_bundle(world: &World, configuration: &str) -> anyhow::Result<String> {
    world.kubectl.run(&[
        "get",
        configuration,
        "-o",
        "jsonpath={.webhooks[0].clientConfig.caBundle}",
    ])
}

pub(crate) fn rotations(world: &World) {
    let namespace = prepared(world, "rotations");
    begin_with(world, "40s", "20s");
    let admissions = stream(&namespace, true, 20);
    let (mut serving, mut authorities) = (BTreeSet::new(), BTreeSet::new());
    let mut deleted = false;
    // A loop and not a condition: what was seen has to be remembered.
    let started = Instant::now();
    while !deleted || serving.len() <= SERVING || authorities.len() <= AUTHORITIES {
        assert!(
            started.elapsed() < Duration::from_mins(4),
            "{} serving certificates, {} authorities",
            serving.len(),
            authorities.len()
        );
        // For a moment after it was deleted there is no Secret.
        serving.extend(field(world, "tls.crt").ok().filter(|text| !text.is_empty()));
        authorities.extend(field(world, "ca.crt").ok().filter(|text| !text.is_empty()));
        if !deleted && serving.len() > 2 {
            world
                .kubectl
                .run(&["-n", NAMESPACE, "delete", SECRET])
                .unwrap();
            deleted = true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let counts = admissions.stop().unwrap();
    line(&format!(
        "{} serving certificates of {} authorities, the Secret deleted meanwhile",
        serving.len(),
        authorities.len()
    ));
    all_injected("certificates that live for 20 s", &counts);
    overwritten(world, &namespace);
    begin_with(world, "3650d", "90d");
}

/// Until it is put back, an emptied caBundle fails every admission: no webhook can prevent that. It is put back at once.
fn overwritten(world: &World, namespace: &Namespace<'_>) {
    let admissions = stream(namespace, true, 20);
    let before = ca_bundle(world, CONFIGURATION).unwrap();
    let patch = r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]"#;
    world
        .kubectl
        .run(&["patch", CONFIGURATION, "--type=json", "-p", patch])
        .unwrap();
    world
        .kubectl
        .wait_until("the caBundle is back", || {
            Ok(!ca_bundle(world, CONFIGURATION)?.is_empty())
        })
        .unwrap();
    let counts = admissions.stop().unwrap();
    line(&format!("the caBundle emptied and put back: {counts}"));
    assert!(!before.is_empty());
    assert_eq!(counts.bare, 0);
    for error in counts.refused.keys() {
        assert!(error.contains("x509"), "{error}");
    }
    let admissions = stream(namespace, true, 20);
    std::thread::sleep(Duration::from_secs(2));
    all_injected("afterwards", &admissions.stop().unwrap());
}
