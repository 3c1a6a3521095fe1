//! Helm: the chart in `manifests/chart` is the source of all manifests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::command::run;
use crate::{Kubectl, chart_readme, go, project};

/// Helm's Go module.
const MODULE: &str = "helm.sh/helm/v3";

/// The oldest Kubernetes version that the chart supports. The rendered manifests do not depend on it.
const KUBE_VERSION: &str = "1.30.0";

/// Name and namespace of the release in the manifests for `kubectl apply`.
const RELEASE: &str = "aws-secrets-injector";

/// The version of Helm. The release workflow uses the same.
pub fn version() -> anyhow::Result<String> {
    go::version(MODULE)
}

/// The program, built once per version.
pub fn program() -> anyhow::Result<PathBuf> {
    go::tool(MODULE, "cmd/helm")
}

/// The chart.
pub fn chart() -> PathBuf {
    project::root().join("manifests/chart")
}

/// Helm with a kubeconfig and without the user's configuration.
pub fn helm(kubectl: Option<&Kubectl>, arguments: &[&str]) -> anyhow::Result<String> {
    let mut helm = Command::new(program()?);
    let home = project::target().join("helm/home");
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(variable, &home);
    }
    helm.env_remove("KUBECONFIG");
    if let Some(kubectl) = kubectl {
        helm.arg("--kubeconfig").arg(kubectl.kubeconfig());
    }
    run(helm.args(arguments))
}

/// Renders the chart for a release with these arguments.
pub fn template(release: &str, values: &[&str]) -> anyhow::Result<String> {
    template_of(&chart(), release, values)
}

/// Renders another chart.
pub fn template_of(chart: &Path, release: &str, values: &[&str]) -> anyhow::Result<String> {
    let chart = chart.display().to_string();
    let mut arguments = vec!["template", release, &chart, "--namespace", release];
    arguments.extend(["--kube-version", KUBE_VERSION]);
    arguments.extend(values);
    helm(None, &arguments)
}

/// The files rendered from the chart, by name.
pub fn rendered() -> anyhow::Result<[(PathBuf, String); 3]> {
    let manifests = project::root().join("manifests");
    let install = template(RELEASE, &["--set", "namespace.create=true"])?;
    let crd = template(
        RELEASE,
        &[
            "--set",
            "crds.install=true",
            "--show-only",
            "templates/crd.yaml",
        ],
    )?;
    let file = |name: &str, use_: &str, text: &str| {
        let head = format!(
            "# {use_}\n# Rendered from manifests/chart by `make manifests`. Do not edit.\n"
        );
        (manifests.join(name), head + text)
    };
    Ok([
        file(
            "install.yaml",
            "The whole installation: kubectl apply -f install.yaml",
            &install,
        ),
        file(
            "crd.yaml",
            "For clusters without the Secrets Store CSI Driver: kubectl apply -f crd.yaml",
            &crd,
        ),
        (chart().join("README.md"), chart_readme::text()?),
    ])
}

/// Writes these files.
pub fn render() -> anyhow::Result<()> {
    for (path, text) in rendered()? {
        write(&path, &text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}
