//! Certificates with a lifetime of seconds, under a steady stream of pods: no admission fails while serving certificates and their
//! CA are rotated repeatedly, the Secret is deleted, replicas restart, and a replica is stopped for longer than a CA lives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use e2e::images;
use e2e::install::{self, DEPLOYMENT, NAMESPACE};
use e2e::progress::line;

use crate::cert_manager;
use crate::life::{all_injected, prepared, stream, wait_until_reached};
use crate::world::{Namespace, World};

const CONFIGURATION: &str = "mutatingwebhookconfiguration/aws-secrets-injector";

/// Lifetimes of the CA and of the serving certificate.
const AUTHORITY: Duration = Duration::from_secs(40);
const CERTIFICATE: Duration = Duration::from_secs(20);

fn seconds(lifetime: Duration) -> String {
    format!("{}s", lifetime.as_secs())
}

/// What to wait for.
const SERVING: f64 = 24.0;
const AUTHORITIES: usize = 6;

/// Starts two replicas over with certificates of these lifetimes.
fn begin_with(world: &World, authority: &str, serving: &str) {
    install::restart_with_lifetimes(&world.kubectl, authority, serving, 2).unwrap();
}

/// Uses serving certificates that live for 20 seconds until this is dropped, also after a failure.
pub(crate) struct ShortLived<'a>(&'a World);

impl<'a> ShortLived<'a> {
    pub(crate) fn begin(world: &'a World, authority: Duration) -> Self {
        begin_with(world, &seconds(authority), &seconds(CERTIFICATE));
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

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// Serving certificates, by replica.
    serving: BTreeMap<String, f64>,
    authorities: BTreeSet<String>,
}

impl Seen {
    fn look(&mut self, world: &World) {
        // Replicas come and go, and the API server is away for a while.
        let Ok(pods) = replicas(world) else { return };
        for pod in pods {
            if let Ok(rotations) = cert_manager::rotations(&world.kubectl, NAMESPACE, &pod) {
                self.serving.insert(pod, rotations + 1.0);
            }
        }
        let bundle = ca_bundle(world, CONFIGURATION).unwrap_or_default();
        let bundle = BASE64_STANDARD.decode(bundle).unwrap();
        let bundle = String::from_utf8(bundle).unwrap();
        let certificates = bundle.split_inclusive("-----END CERTIFICATE-----\n");
        self.authorities.extend(certificates.map(str::to_owned));
    }

    /// Looks until this is true. A loop instead of a condition, to collect what is seen.
    fn until(&mut self, world: &World, is_true: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_true(self) {
            assert!(started.elapsed() < Duration::from_mins(5), "{self}");
            self.look(world);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn serving(&self) -> f64 {
        self.serving.values().sum()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (serving, replicas) = (self.serving(), self.serving.len());
        let authorities = self.authorities.len();
        write!(
            f,
            "{serving} serving certificates of {replicas} replicas, {authorities} authorities"
        )
    }
}

/// The names of the webhook's pods.
fn replicas(world: &World) -> anyhow::Result<Vec<String>> {
    let names = "jsonpath={.items[*].metadata.name}";
    let pods = world
        .kubectl
        .run(&["-n", NAMESPACE, "get", "pods", "-o", names])?;
    Ok(pods.split_whitespace().map(str::to_owned).collect())
}

fn delete_secret(world: &World) {
    world
        .kubectl
        .run(&["-n", NAMESPACE, "delete", install::AUTHORITIES])
        .unwrap();
}

pub(crate) fn rotations(world: &World) {
    let namespace = prepared(world, "rotations");
    let _restored = ShortLived::begin(world, AUTHORITY);
    let outside = Outside::start(world);
    wait_until_reached(&namespace);
    let admissions = stream(&namespace, true, 20);
    let mut seen = Seen::default();
    seen.until(world, |seen| seen.serving() >= 4.0);
    delete_secret(world);
    outside.signal("STOP");
    let stopped = Instant::now();
    seen.until(world, |seen| seen.serving() >= 8.0);
    let restart = ["-n", NAMESPACE, "rollout", "restart", DEPLOYMENT];
    world.kubectl.run(&restart).unwrap();
    seen.until(world, |_| stopped.elapsed() > AUTHORITY);
    outside.signal("CONT");
    seen.until(world, |seen| seen.serving() >= SERVING);
    delete_secret(world);
    seen.until(world, |seen| seen.authorities.len() >= AUTHORITIES);
    let counts = admissions.stop().unwrap();
    line(&seen.to_string());
    all_injected("certificates that live for 20 s", &counts);
    drop(outside);
    overwritten(world, &namespace);
}

/// A replica outside of the cluster. It takes part in all that concerns the CAs, and no pod is sent to it, so that it can be
/// stopped for longer than a CA lives.
struct Outside(Child);

impl Outside {
    fn start(world: &World) -> Self {
        let program = images::build_binaries(images::Profile::Dev)
            .unwrap()
            .webhook;
        let child = Command::new(program)
            .env_clear()
            .env("KUBECONFIG", world.kubectl.kubeconfig())
            .args([
                "--namespace",
                NAMESPACE,
                "--injector-image",
                images::INJECTOR,
            ])
            .args(["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"])
            .args(["--authority-lifetime", &seconds(AUTHORITY)])
            .args(["--certificate-lifetime", &seconds(CERTIFICATE)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
