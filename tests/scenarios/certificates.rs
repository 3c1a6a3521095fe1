//! Certificates with a lifetime of seconds, under a steady stream of pods: no admission fails while serving certificates and their
//! CA are rotated repeatedly, the Secret is deleted, replicas restart, and a replica is stopped for longer than a CA lives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use e2e::install::NAMESPACE;
use e2e::progress::line;
use e2e::{Kubectl, images};

use crate::cert_manager;
use crate::life::{all_injected, stream, wait_until_reached};
use crate::release::Release;
use crate::world::{World, is_long};

/// The time limit for what certificates do by themselves.
const PATIENCE: Duration = Duration::from_mins(5);

/// Lifetimes of the CA and of the serving certificate.
const AUTHORITY: Duration = Duration::from_secs(40);
const CERTIFICATE: Duration = Duration::from_secs(20);

fn seconds(lifetime: Duration) -> String {
    format!("{}s", lifetime.as_secs())
}

/// The values of a release whose serving certificates live for 20 seconds.
pub(crate) fn lifetimes(authority: &str) -> String {
    let certificate = seconds(CERTIFICATE);
    format!(
        "certificates.authorityLifetime={authority},certificates.certificateLifetime={certificate}"
    )
}

/// What to wait for: serving certificates of all replicas, and CAs.
fn goals() -> (f64, usize) {
    if is_long() { (60.0, 12) } else { (14.0, 4) }
}

/// The caBundle of a configuration.
pub(crate) fn ca_bundle(kubectl: &Kubectl, configuration: &str) -> anyhow::Result<String> {
    kubectl.run(&[
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

/// What was seen so far of a release.
struct Seen<'a> {
    release: &'a Release<'a>,
    /// Serving certificates, by replica.
    serving: BTreeMap<String, f64>,
    authorities: BTreeSet<String>,
}

impl Seen<'_> {
    fn look(&mut self) {
        let kubectl = &self.release.namespace.world.kubectl;
        // Replicas come and go.
        let Ok(pods) = self.release.replicas() else {
            return;
        };
        for pod in pods {
            if let Ok(rotations) =
                cert_manager::rotations(kubectl, &self.release.namespace.name, &pod)
            {
                self.serving.insert(pod, rotations + 1.0);
            }
        }
        let bundle = ca_bundle(kubectl, &self.release.configuration()).unwrap_or_default();
        let bundle = BASE64_STANDARD.decode(bundle).unwrap();
        let bundle = String::from_utf8(bundle).unwrap();
        let certificates = bundle.split_inclusive("-----END CERTIFICATE-----\n");
        self.authorities.extend(certificates.map(str::to_owned));
    }

    /// Looks until this is true. A loop instead of a condition, to collect what is seen.
    fn until(&mut self, is_true: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_true(self) {
            assert!(started.elapsed() < PATIENCE, "{self}");
            self.look();
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    fn serving(&self) -> f64 {
        self.serving.values().sum()
    }
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (serving, replicas) = (self.serving(), self.serving.len());
        let authorities = self.authorities.len();
        write!(
            f,
            "{serving} serving certificates of {replicas} replicas, {authorities} authorities"
        )
    }
}

fn delete_secret(release: &Release<'_>) {
    let secret = format!("secret/{}-authorities", release.fullname());
    release.namespace.kubectl(&["delete", &secret]).unwrap();
}

pub(crate) fn rotations(world: &World) {
    let (serving, authorities) = goals();
    let release = Release::install(world, "rotations", &lifetimes(&seconds(AUTHORITY)));
    let outside = Outside::start(&release);
    wait_until_reached(&release.apps);
    let admissions = stream(&release.apps, true, 20);
    let mut seen = Seen {
        release: &release,
        serving: BTreeMap::new(),
        authorities: BTreeSet::new(),
    };
    seen.until(|seen| seen.serving() >= 4.0);
    delete_secret(&release);
    outside.signal("STOP");
    let stopped = Instant::now();
    seen.until(|seen| seen.serving() >= 6.0);
    release.restart();
    seen.until(|_| stopped.elapsed() > AUTHORITY);
    outside.signal("CONT");
    seen.until(|seen| seen.serving() >= serving);
    delete_secret(&release);
    seen.until(|seen| seen.authorities.len() >= authorities);
    let counts = admissions.stop().unwrap();
    line(&seen.to_string());
    all_injected("certificates that live for 20 s", &counts);
    drop(outside);
    overwritten(&release);
}

/// A replica outside of the cluster. It takes part in all that concerns the CAs, and no pod is sent to it, so that it can be
/// stopped for longer than a CA lives.
struct Outside(Child);

impl Outside {
    fn start(release: &Release<'_>) -> Self {
        let program = images::build_binaries(images::Profile::Dev)
            .unwrap()
            .webhook;
        let name = release.fullname();
        let child = Command::new(program)
            .env_clear()
            .env("KUBECONFIG", release.namespace.world.kubectl.kubeconfig())
            .args(["--namespace", &release.namespace.name])
            .args(["--service-name", &name])
            .args(["--authorities-secret", &format!("{name}-authorities")])
            .args(["--mutating-webhook-configuration", &name])
            .args(["--validating-webhook-configuration", &name])
            .args(["--injector-image", images::INJECTOR])
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
fn overwritten(release: &Release<'_>) {
    let kubectl = &release.namespace.world.kubectl;
    let configuration = release.configuration();
    let admissions = stream(&release.apps, true, 20);
    assert!(!ca_bundle(kubectl, &configuration).unwrap().is_empty());
    let patch = r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]"#;
    kubectl
        .run(&["patch", &configuration, "--type=json", "-p", patch])
        .unwrap();
    kubectl
        .wait_until("the caBundle is back", || {
            Ok(!ca_bundle(kubectl, &configuration)?.is_empty())
        })
        .unwrap();
    let counts = admissions.stop().unwrap();
    line(&format!("the caBundle emptied and put back: {counts}"));
    assert_eq!(counts.bare, 0);
    for error in counts.refused.keys() {
        assert!(error.contains("x509"), "{error}");
    }
    let admissions = stream(&release.apps, true, 20);
    std::thread::sleep(Duration::from_secs(2));
    all_injected("afterwards", &admissions.stop().unwrap());
}
