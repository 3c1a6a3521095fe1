//! Helm: the chart in `manifests/chart` is the source of all manifests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

use crate::command::run;
use crate::progress::step;
use crate::{Kubectl, project};

/// Its version, and where Go finds it.
const VERSION: &str = "v3.19.0";
const PACKAGE: &str = "helm.sh/helm/v3/cmd/helm";

/// The oldest Kubernetes that the chart is for: what is rendered does not depend on it.
const KUBE_VERSION: &str = "1.30.0";

/// The name of the release in what is rendered for `kubectl apply`, and its namespace.
const RELEASE: &str = "aws-secrets-injector";

/// Scenarios run side by side: one builds, the others wait.
static BUILDING: Mutex<()> = Mutex::new(());

/// The program, built once for each version.
pub fn program() -> anyhow::Result<PathBuf> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = project::target().join("helm").join(VERSION);
    let program = folder.join("helm");
    if !program.exists() {
        step(&format!("building Helm {VERSION}, once"), || {
            let unfinished = folder.join(format!("unfinished-{}", std::process::id()));
            let mut go = Command::new("go");
            go.env("GOBIN", &unfinished).env("CGO_ENABLED", "0");
            let package = format!("{PACKAGE}@{VERSION}");
            run(go.args(["install", "-trimpath", "-ldflags", "-s -w", &package]))?;
            fs::rename(unfinished.join("helm"), &program)?;
            fs::remove_dir(unfinished)?;
            Ok(())
        })?;
    }
    Ok(program)
}

/// The chart.
pub fn chart() -> PathBuf {
    project::root().join("manifests/chart")
}

/// Helm with a kubeconfig, and with nothing of the user's own.
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

/// The chart's manifests for a release, with these values.
pub fn template(release: &str, values: &[&str]) -> anyhow::Result<String> {
    template_of(&chart(), release, values)
}

/// The same of another chart.
pub fn template_of(chart: &Path, release: &str, values: &[&str]) -> anyhow::Result<String> {
    let chart = chart.display().to_string();
    let mut arguments = vec!["template", release, &chart, "--namespace", release];
    arguments.extend(["--kube-version", KUBE_VERSION]);
    arguments.extend(values);
    helm(None, &arguments)
}

/// The files beside the chart that are made of it, by name.
pub fn rendered() -> anyhow::Result<[(PathBuf, String); 2]> {
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
        let head =
            format!("# {use_}\n# Made of manifests/chart by `make manifests`: change it there.\n");
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
    ])
}

/// Writes them.
pub fn render() -> anyhow::Result<()> {
    for (path, text) in rendered()? {
        write(&path, &text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}
