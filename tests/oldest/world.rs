//! A cluster of the oldest Kubernetes version with the installation and an example.

use std::fs;

use e2e::install::{NAMESPACE, example_class, service_account, wait_for_crd};
use e2e::{Kubectl, helm, project};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::control_plane::ControlPlane;
use crate::webhook::Service;

/// The namespace of the example.
const SHOP: &str = "shop";
/// Prefix of the annotations.
const PREFIX: &str = "aws-secrets-injector.io";
/// The release of the chart, and the name of its webhook configurations.
pub(crate) const RELEASE: &str = "aws-secrets-injector";
/// Values that change what the API server evaluates. The label `secrets: "off"` excludes pods from the webhook.
const VALUES: [&str; 8] = [
    "--set",
    "crds.install=true,secretObjects.sync=true,networkPolicy.enabled=true,webhook.timeoutSeconds=5",
    "--set-json",
    r#"webhook.objectSelector={"matchExpressions":[{"key":"secrets","operator":"NotIn","values":["off"]}]}"#,
    "--set-json",
    r#"webhook.namespaceSelector={"matchExpressions":[{"key":"secrets","operator":"NotIn","values":["off"]}]}"#,
    "--set-json",
    r#"webhook.matchConditions=[{"name":"not-kubelet","expression":"!('system:nodes' in request.userInfo.groups)"}]"#,
];

/// How a user installs.
#[derive(Clone, Copy)]
pub(crate) enum Installation {
    /// With `kubectl apply`.
    Manifests,
    /// With Helm and values of one's own.
    Chart,
}

impl Installation {
    /// The prefix of the tests' names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Manifests => "manifests",
            Self::Chart => "chart",
        }
    }
}

/// The cluster.
pub(crate) struct World {
    pub(crate) kubectl: Kubectl,
    plane: ControlPlane,
    service: Service,
}

impl World {
    /// Starts a cluster and installs into it. The webhook does not serve yet.
    pub(crate) fn start(installation: Installation) -> anyhow::Result<Self> {
        let service = Service::start()?;
        let plane = ControlPlane::start(&service.socket())?;
        let kubectl = plane.admin()?;
        match installation {
            Installation::Manifests => apply_manifests(&kubectl)?,
            Installation::Chart => install_chart(&kubectl)?,
        }
        wait_for_crd(&kubectl)?;
        kubectl.run(&["create", "namespace", SHOP])?;
        let world = Self {
            kubectl,
            plane,
            service,
        };
        world.apply(&service_account("default"))?;
        Ok(world)
    }

    /// Starts the webhook with the permissions of its ServiceAccount, and waits until pods are injected.
    pub(crate) fn serve(&self) -> anyhow::Result<()> {
        self.apply(&example_class("v1"))?;
        let token = ["-n", NAMESPACE, "create", "token", RELEASE];
        let token = self.kubectl.run(&token)?;
        let kubectl = self.plane.kubectl("webhook", token.trim())?;
        let arguments = ["--injector-image", "injector:1", "--region", "us-east-2"];
        self.service.serve(&arguments, &kubectl)?;
        let injected = || self.review(&pod("probe", &[])).map(|_| true);
        self.kubectl.wait_until("pods are injected", injected)
    }

    /// What the API server would store for a pod, or why it refuses it.
    pub(crate) fn review(&self, pod: &Value) -> anyhow::Result<Value> {
        let file = NamedTempFile::with_suffix(".json")?;
        fs::write(&file, pod.to_string())?;
        let file = file.path().display().to_string();
        let dry_run = ["create", "--dry-run=server", "-o", "json", "-f", &file];
        let arguments = [&["-n", SHOP], &dry_run[..]].concat();
        let admitted = self.kubectl.run(&arguments)?;
        Ok(serde_json::from_str(&admitted)?)
    }

    /// Creates a pod, and returns what the API server has stored.
    pub(crate) fn created(&self, pod: &Value) -> anyhow::Result<Value> {
        let mut pod = pod.clone();
        pod["metadata"]["namespace"] = SHOP.into();
        self.kubectl.create(&pod.to_string())?;
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        self.kubectl.get(&["-n", SHOP, "pod", name])
    }

    /// Why the API server refuses a pod; nothing if it admits it.
    pub(crate) fn refusal(&self, pod: &Value) -> String {
        let reviewed = self.review(pod);
        reviewed.map_or_else(|error| error.to_string(), |_| String::new())
    }

    /// Applies a manifest to the example's namespace.
    pub(crate) fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        let placed = format!("metadata:\n  namespace: {SHOP}\n");
        self.kubectl
            .apply(&manifest.replacen("metadata:\n", &placed, 1))
    }
}

/// What the documentation says, but warnings are errors. kubectl asks for strict validation by default.
fn apply_manifests(kubectl: &Kubectl) -> anyhow::Result<()> {
    for name in ["crd.yaml", "install.yaml"] {
        let file = project::root().join("manifests").join(name);
        let file = file.display().to_string();
        kubectl.run(&["apply", "--warnings-as-errors", "-f", &file])?;
    }
    Ok(())
}

/// Helm checks the version of the API server, and the objects against its schema.
fn install_chart(kubectl: &Kubectl) -> anyhow::Result<()> {
    let chart = helm::chart().display().to_string();
    let install = ["install", RELEASE, &chart, "--create-namespace"];
    let namespace = ["--namespace", NAMESPACE];
    let arguments = [&install[..], &namespace, &VALUES].concat();
    helm::helm(Some(kubectl), &arguments).map(drop)
}

/// A pod with these annotations, without a prefix.
pub(crate) fn pod_with(name: &str, annotations: &[(&str, &str)]) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "app", "image": "app", "command": ["app"]}]},
    });
    for (annotation, value) in annotations {
        pod["metadata"]["annotations"][format!("{PREFIX}/{annotation}")] = (*value).into();
    }
    pod
}

/// A pod of the example's class, with further annotations.
pub(crate) fn pod(name: &str, annotations: &[(&str, &str)]) -> Value {
    let class = ("secret-provider-class", "aws-secrets");
    pod_with(name, &[&[class], annotations].concat())
}
