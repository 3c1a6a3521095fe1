//! The cluster of the soak: the installation with short-lived certificates, a class, and the pods with sidecars.

use std::net::SocketAddr;

use anyhow::Context as _;
use e2e::images::APP;
use e2e::install::{self, service_account};
use e2e::progress::step;
use e2e::stand_in::{ACCOUNT, Aws, REGION};
use e2e::{Cluster, Kubectl, project};
use serde_json::{Value, json};

use super::processes::{Kind, Watched};

/// The namespace of all pods.
pub(super) const PODS: &str = "soak";
/// Pods with a sidecar, which stay for the whole time.
pub(super) const SIDECARS: usize = 50;
/// What every value begins with. It may be in no log.
pub(super) const MARK: &str = "soaked-value-";
/// The secrets of the class.
pub(super) const SECRETS: [&str; 2] = ["soak/first", "soak/second"];
/// The first one's file.
pub(super) const FILE: &str = "/mnt/secrets-store/soak_first";
/// Replicas of the webhook. The first is never killed, so that its memory can be watched.
const REPLICAS: usize = 3;

/// Everything that the soak runs on.
pub(super) struct Stage {
    pub(super) kubectl: Kubectl,
    pub(super) aws: Aws,
    /// The name of the replica that is not killed.
    pub(super) kept: String,
    pub(super) watched: Vec<Watched>,
}

impl Stage {
    /// Installs the webhook and starts the sidecars.
    pub(super) fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let aws = Aws::start(SocketAddr::new(cluster.address(), 0), &project::target())?;
        aws.seed(|seed| async move {
            for secret in SECRETS {
                seed.secret(secret, &format!("{MARK}first")).await?;
            }
            Ok(())
        })?;
        let kubectl = cluster.kubectl();
        step(
            "installing: kubectl apply -f manifests/install.yaml",
            || install::install(&kubectl, &aws.stand_in.url()),
        )?;
        step("certificates of 60 seconds", || {
            install::restart_with_lifetimes(&kubectl, "120s", "60s", REPLICAS)
        })?;
        step(&format!("starting {SIDECARS} pods with sidecars"), || {
            start_sidecars(&kubectl)
        })?;
        let replicas = names(&kubectl, install::NAMESPACE)?;
        let kept = replicas.first().context("no replica")?.clone();
        let mut watched = vec![Watched::find(Kind::Webhook, &kept)?];
        for pod in names(&kubectl, PODS)? {
            watched.push(Watched::find(Kind::Sidecar, &pod)?);
        }
        Ok(Self {
            kubectl,
            aws,
            kept,
            watched,
        })
    }

    /// Removes all faults, changes the secrets a last time, and counts the sidecars that do not get the value or that were
    /// restarted.
    pub(super) async fn stuck_sidecars(&self) -> anyhow::Result<usize> {
        self.aws.stand_in.heal();
        let value = format!("{MARK}last");
        let seed = self.aws.stand_in.seed(ACCOUNT, REGION);
        for secret in SECRETS {
            seed.update_secret(secret, &value).await?;
        }
        let has_value = |pod: &str| {
            let read = ["-n", PODS, "exec", pod, "-c", "app", "--", "cat", FILE];
            self.kubectl.run(&read).is_ok_and(|text| text == value)
        };
        let pods = self
            .kubectl
            .get(&["-n", PODS, "pods", "-l", "app=sidecar"])?;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        let mut stuck = SIDECARS.saturating_sub(pods.len());
        for pod in &pods {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let gets_it = self.kubectl.wait_until("the pod has the last value", || {
                Ok::<_, anyhow::Error>(has_value(name))
            });
            if gets_it.is_err() || was_restarted(pod) {
                stuck += 1;
            }
        }
        Ok(stuck)
    }
}

fn was_restarted(pod: &Value) -> bool {
    let lists = ["initContainerStatuses", "containerStatuses"].map(|list| &pod["status"][list]);
    let mut containers = lists
        .into_iter()
        .flat_map(|list| list.as_array().into_iter().flatten());
    containers.any(|container| container["restartCount"] != 0)
}

fn start_sidecars(kubectl: &Kubectl) -> anyhow::Result<()> {
    kubectl.apply(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {PODS}\n"
    ))?;
    let account = service_account("default");
    let account = account.replace("metadata:\n", &format!("metadata:\n  namespace: {PODS}\n"));
    kubectl.apply(&account)?;
    let objects =
        SECRETS.map(|secret| format!("- objectName: {secret}\n  objectType: secretsmanager\n"));
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "soak", "namespace": PODS},
        "spec": {"provider": "aws", "parameters": {"region": REGION, "objects": objects.concat()}},
    });
    kubectl.apply(&class.to_string())?;
    let mut annotations = annotations();
    annotations["aws-secrets-injector.io/refresh-interval"] = "2s".into();
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "sidecar", "namespace": PODS},
        "spec": {
            "replicas": SIDECARS,
            "selector": {"matchLabels": {"app": "sidecar"}},
            "template": {
                "metadata": {"labels": {"app": "sidecar"}, "annotations": annotations},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "app", "image": APP, "imagePullPolicy": "IfNotPresent"}],
                },
            },
        },
    });
    kubectl.apply(&deployment.to_string())?;
    let wait = ["rollout", "status", "--timeout=300s", "deployment/sidecar"];
    kubectl.run(&[&["-n", PODS], &wait[..]].concat()).map(drop)
}

/// The annotations of all pods.
pub(super) fn annotations() -> Value {
    json!({"aws-secrets-injector.io/secret-provider-class": "soak"})
}

fn names(kubectl: &Kubectl, namespace: &str) -> anyhow::Result<Vec<String>> {
    let path = "jsonpath={.items[*].metadata.name}";
    let names = kubectl.run(&["-n", namespace, "get", "pods", "-o", path])?;
    Ok(names.split_whitespace().map(str::to_owned).collect())
}
