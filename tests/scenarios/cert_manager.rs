//! The chart with cert-manager: its real controllers, the chart's CA, and a certificate that is rotated while pods are created.

use anyhow::Context as _;
use e2e::Kubectl;
use e2e::cert_manager::CertManager;

use crate::bare::annotated_pod;
use crate::certificates::ca_bundle;
use crate::life::{all_injected, stream, wait_until_reached};
use crate::release::Release;
use crate::world::World;

pub(crate) fn issues_and_renews(world: &World) {
    let mut cert_manager = CertManager::start(&world.kubectl).unwrap();
    let release = Release::install(world, "issued", "certificates.certManager.enabled=true");
    cert_manager.check().unwrap();
    trusts_the_authority(&release);
    let apps = &release.apps;
    wait_until_reached(apps);
    apps.apply(&[&annotated_pod("web")]).unwrap();
    apps.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", "pod/web"])
        .unwrap();
    renews(&release);
    cert_manager.check().unwrap();
}

/// Checks that cert-manager has written the caBundle into both configurations. The webhook is not allowed to.
fn trusts_the_authority(release: &Release<'_>) {
    let (name, kubectl) = (release.fullname(), &release.namespace.world.kubectl);
    let authority = release
        .namespace
        .kubectl(&[
            "get",
            "secret",
            &format!("{name}-authority"),
            "-o",
            "jsonpath={.data.tls\\.crt}",
        ])
        .unwrap();
    for kind in ["mutating", "validating"] {
        let configuration = format!("{kind}webhookconfiguration/{name}");
        kubectl
            .wait_until("the caBundle is the authority's", || {
                let bundle = ca_bundle(kubectl, &configuration)?;
                Ok(!bundle.is_empty() && bundle == authority)
            })
            .unwrap();
    }
}

/// If the Secret is deleted, cert-manager issues another certificate, as it does on expiry. In the end all replicas serve it,
/// and no pod is refused in the meantime.
fn renews(release: &Release<'_>) {
    let (namespace, kubectl) = (&release.namespace, &release.namespace.world.kubectl);
    let rotations = || -> anyhow::Result<Vec<f64>> {
        let pods = release.replicas()?;
        let rotations = pods
            .iter()
            .map(|pod| rotations(kubectl, &namespace.name, pod));
        rotations.collect()
    };
    let before = rotations().unwrap();
    let admissions = stream(&release.apps, true, 10);
    let secret = format!("{}-cert-manager", release.fullname());
    namespace.kubectl(&["delete", "secret", &secret]).unwrap();
    kubectl
        .wait_until("there is another certificate", || {
            let secret = ["get", "secret", &secret, "-o", "jsonpath={.data.tls\\.crt}"];
            Ok(namespace
                .kubectl(&secret)
                .is_ok_and(|chain| !chain.is_empty()))
        })
        .unwrap();
    // The kubelet looks at a Secret once a minute, or when its pod changes.
    let touch = ["annotate", "pods", "--all", "renewed=true"];
    namespace.kubectl(&touch).unwrap();
    kubectl
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
