//! The chart with cert-manager: its real controllers, the chart's CA, and a certificate that is rotated while pods are created.

use anyhow::Context as _;
use e2e::Kubectl;
use e2e::cert_manager::CertManager;
use e2e::helm::{chart, helm};
use e2e::install::{self, example_class, service_account};

use crate::bare::annotated_pod;
use crate::certificates::ca_bundle;
use crate::life::{all_injected, stream};
use crate::world::{Namespace, World};

const RELEASE: &str = "issued";
/// The name of all objects of the release.
const NAME: &str = "issued-aws-secrets-injector";

pub(crate) fn issues_and_renews(world: &World) {
    let namespace = world.namespace("chart-issued");
    let apps = world.namespace_with("chart-issued-apps", "chart: issued");
    let mut cert_manager = CertManager::start(&world.kubectl).unwrap();
    let values = format!(
        "{},certificates.certManager.enabled=true,webhook.namespaceSelector.matchLabels.chart=issued",
        install::values(&world.aws.stand_in.url())
    );
    let chart = chart().display().to_string();
    let place = ["--namespace", &namespace.name, "--wait", "--timeout", "3m"];
    let install = [&["install", RELEASE, &chart, "--set", &values], &place[..]].concat();
    let installed = helm(Some(&world.kubectl), &install);
    cert_manager.check().unwrap();
    installed.unwrap();
    trusts_the_authority(world, &namespace);
    apps.apply(&[
        &service_account("default"),
        &example_class("v1"),
        &annotated_pod("web"),
    ])
    .unwrap();
    apps.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", "pod/web"])
        .unwrap();
    renews(world, &namespace, &apps);
    helm(
        Some(&world.kubectl),
        &[
            "uninstall",
            RELEASE,
            "--wait",
            "--namespace",
            &namespace.name,
        ],
    )
    .unwrap();
    cert_manager.check().unwrap();
}

/// Checks that cert-manager has written the caBundle into both configurations. The webhook is not allowed to.
fn trusts_the_authority(world: &World, namespace: &Namespace<'_>) {
    let authority = namespace
        .kubectl(&[
            "get",
            "secret",
            &format!("{NAME}-authority"),
            "-o",
            "jsonpath={.data.tls\\.crt}",
        ])
        .unwrap();
    for kind in ["mutating", "validating"] {
        let configuration = format!("{kind}webhookconfiguration/{NAME}");
        world
            .kubectl
            .wait_until("the caBundle is the authority's", || {
                let bundle = ca_bundle(world, &configuration)?;
                Ok(!bundle.is_empty() && bundle == authority)
            })
            .unwrap();
    }
}

/// If the Secret is deleted, cert-manager issues another certificate, as it does on expiry. In the end all replicas serve it,
/// and no pod is refused in the meantime.
fn renews(world: &World, namespace: &Namespace<'_>, apps: &Namespace<'_>) {
    let rotations = || -> anyhow::Result<Vec<f64>> {
        let pods =
            namespace.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].metadata.name}"])?;
        pods.split_whitespace()
            .map(|pod| rotations(&world.kubectl, &namespace.name, pod))
            .collect()
    };
    let before = rotations().unwrap();
    let admissions = stream(apps, true, 10);
    namespace
        .kubectl(&["delete", "secret", &format!("{NAME}-cert-manager")])
        .unwrap();
    world
        .kubectl
        .wait_until("every replica shows another certificate", || {
            let now = rotations()?;
            let is_later = now.iter().zip(&before).all(|(now, before)| now > before);
            Ok(now.len() == before.len() && is_later)
        })
        .unwrap();
    all_injected(
        "cert-manager renews the certificate",
        &admissions.stop().unwrap(),
    );
}

/// The number of certificate rotations in a replica's metrics.
pub(crate) fn rotations(kubectl: &Kubectl, namespace: &str, pod: &str) -> anyhow::Result<f64> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy/metrics");
    let metrics = kubectl.run(&["get", "--raw", &path])?;
    let metric = "aws_secrets_webhook_certificate_rotations{certificate=\"serving\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(metric));
    Ok(value.context("no such metric")?.parse()?)
}
