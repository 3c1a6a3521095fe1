//! CRDs of others: of what the chart makes where a cluster has it, and of what documents show.

use std::path::Path;

use crate::{Kubectl, cert_manager, go};

/// The Prometheus operator, for its monitors and rules.
const PROMETHEUS_OPERATOR: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";

/// Installs them, and waits until they are served.
pub fn install(kubectl: &Kubectl) -> anyhow::Result<()> {
    let mut files = vec![cert_manager::crds()?];
    let operator = go::files(PROMETHEUS_OPERATOR)?.join("example/prometheus-operator-crd");
    for kind in ["servicemonitors", "podmonitors", "prometheusrules"] {
        files.push(operator.join(format!("monitoring.coreos.com_{kind}.yaml")));
    }
    let files: Vec<_> = files
        .iter()
        .flat_map(|file| ["-f".into(), shown(file)])
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    // Some are larger than the annotation in which kubectl keeps what it applied.
    kubectl.run(&[&["apply", "--server-side"][..], &files].concat())?;
    let established = ["wait", "--for=condition=Established", "--timeout=60s"];
    kubectl.run(&[&established[..], &files].concat())?;
    Ok(())
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}
