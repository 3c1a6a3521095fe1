//! CRDs of other projects, which the chart or the documentation uses.

use crate::{Kubectl, cert_manager, go};

/// The CRDs of the Prometheus operator for monitors and rules.
const PROMETHEUS_OPERATOR: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";

/// Installs them and waits until they are served.
pub fn install(kubectl: &Kubectl) -> anyhow::Result<()> {
    let operator = go::files(PROMETHEUS_OPERATOR)?.join("example/prometheus-operator-crd");
    let kinds = ["servicemonitors", "podmonitors", "prometheusrules"];
    let of_operator = kinds.map(|kind| operator.join(format!("monitoring.coreos.com_{kind}.yaml")));
    let files: Vec<String> = of_operator
        .into_iter()
        .chain([cert_manager::crds()?])
        .map(|file| format!("--filename={}", file.display()))
        .collect();
    let with_files = |arguments: &[&str]| {
        let files = files.iter().map(String::as_str);
        let all: Vec<&str> = arguments.iter().copied().chain(files).collect();
        kubectl.run(&all)
    };
    // Some are too large for the annotation in which kubectl stores the applied object.
    with_files(&["apply", "--server-side"])?;
    with_files(&["wait", "--for=condition=Established", "--timeout=60s"])?;
    Ok(())
}
