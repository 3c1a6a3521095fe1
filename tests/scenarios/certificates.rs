//! Certificates with a lifetime of seconds, under a steady stream of pods: no admission fails while the serving certificate and
//! its CA are rotated repeatedly, the Secret is deleted, and the caBundle is overwritten.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::install::{self, DEPLOYMENT, NAMESPACE};
use e2e::progress::line;

use crate::life::{all_injected, prepared, stream, wait_until_reached};
use crate::world::{Namespace, World};

const SECRET: &str = "secret/aws-secrets-injector-certificates";
const CONFIGURATION: &str = "mutatingwebhookconfiguration/aws-secrets-injector";

/// Number of rotations to wait for.
const SERVING: usize = 6;
const AUTHORITIES: usize = 3;

/// Starts over with certificates of these lifetimes. Existing certificates keep their lifetime, and running replicas restore a
/// deleted Secret, so the Secret is deleted while no replica runs.
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

/// Uses short-lived certificates until this is dropped, also after a failure. Later scenarios stop the API server, and without
/// it certificates cannot be renewed.
struct ShortLived<'a>(&'a World);

impl<'a> ShortLived<'a> {
    fn begin(world: &'a World) -> Self {
        begin_with(world, "40s", "20s");
        Self(world)
    }
}

impl Drop for ShortLived<'_> {
    fn drop(&mut self) {
        let usual = || begin_with(self.0, "3650d", "90d");
        let restored = std::panic::catch_unwind(std::panic::AssertUnwindSafe(usual));
        if let Err(panic) = restored {
            line("could not go back to the usual lifetimes of certificates");
            // A second panic would abort the program.
            if !std::thread::panicking() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// A raw field of the Secret.
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

/// The webhook's ServiceAccount can write the caBundle, but its token cannot be used to redirect other objects.
pub(crate) fn own_configuration(world: &World) {
    let patch = |kind: &str, patch: &str| {
        let account = format!("--as=system:serviceaccount:{NAMESPACE}:aws-secrets-injector");
        let name = "aws-secrets-injector";
        let dry_run = "--dry-run=server";
        let arguments = [
            "patch",
            kind,
            name,
            &account,
            dry_run,
            "--type=json",
            "-p",
            patch,
        ];
        world.kubectl.run(&arguments)
    };
    let rules =
        r#"{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}"#;
    let changes = [
        format!(r#"[{{"op": "replace", "path": "/webhooks/0/rules", "value": [{rules}]}}]"#),
        r#"[{"op": "remove", "path": "/webhooks/0/matchConditions"}]"#.to_owned(),
        r#"[{"op": "replace", "path": "/webhooks/0/namespaceSelector", "value": {"matchLabels": {"a": "b"}}}]"#.to_owned(),
        r#"[{"op": "add", "path": "/webhooks/0/objectSelector", "value": {"matchLabels": {"a": "b"}}}]"#.to_owned(),
        r#"[{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 1}]"#.to_owned(),
        r#"[{"op": "replace", "path": "/webhooks/0/clientConfig", "value": {"url": "https://192.0.2.1/"}}]"#.to_owned(),
        r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/service/path", "value": "/"}]"#.to_owned(),
        r#"[{"op": "copy", "from": "/webhooks/0", "path": "/webhooks/1"}, {"op": "replace", "path": "/webhooks/1/name", "value": "a.example.com"}]"#.to_owned(),
        r#"[{"op": "remove", "path": "/webhooks/0"}]"#.to_owned(),
        r#"[{"op": "add", "path": "/metadata/labels/a", "value": "b"}]"#.to_owned(),
        r#"[{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/a"]}]"#.to_owned(),
    ];
    for kind in [
        "mutatingwebhookconfiguration",
        "validatingwebhookconfiguration",
    ] {
        for change in &changes {
            let error = patch(kind, change).unwrap_err().to_string();
            let words = "may change only the caBundle of a webhook configuration";
            assert!(error.contains(words), "{kind} {change}: {error}");
        }
        let ca_bundle =
            r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": null}]"#;
        patch(kind, ca_bundle).unwrap();
    }
}

pub(crate) fn rotations(world: &World) {
    let namespace = prepared(world, "rotations");
    let _restored = ShortLived::begin(world);
    wait_until_reached(&namespace);
    let admissions = stream(&namespace, true, 20);
    let (mut serving, mut authorities) = (BTreeSet::new(), BTreeSet::new());
    let mut deleted = false;
    // A loop instead of a condition, to collect what was seen.
    let started = Instant::now();
    while !deleted || serving.len() <= SERVING || authorities.len() <= AUTHORITIES {
        assert!(
            started.elapsed() < Duration::from_mins(4),
            "{} serving certificates, {} authorities",
            serving.len(),
            authorities.len()
        );
        // After the deletion, there is no Secret for a moment.
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
}

/// An emptied caBundle fails every admission, which no webhook can prevent. It is restored immediately.
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
