//! What all scenarios share: the cluster with the installation, and the stand-in for AWS.

use std::fs::File;
use std::net::SocketAddr;

use anyhow::Context as _;
use aws_stand_in::Call;
use e2e::images::Profile;
use e2e::progress::{line, step};
use e2e::stand_in::Aws;
use e2e::{Cluster, Kubectl, crds, helm, install, project, stand_in};
use serde_json::Value;

/// The cluster's name.
const NAME: &str = "test";

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) kubectl: Kubectl,
    pub(crate) aws: Aws,
}

fn keeps_cluster() -> bool {
    std::env::var_os("E2E_KEEP").is_some_and(|value| value == "1")
}

impl World {
    pub(crate) fn start() -> anyhow::Result<Self> {
        step(
            "installing moto, the stand-in for AWS",
            stand_in::install_moto,
        )?;
        helm::program()?;
        let left = keeps_cluster().then(|| Cluster::find(NAME)).flatten();
        let cluster = match left {
            Some(cluster) => {
                line("==> taking the cluster that is running");
                cluster
            }
            None => Cluster::up(NAME)?,
        };
        cluster.load_images(Profile::E2e)?;
        let aws = Aws::start(SocketAddr::new(cluster.address(), 0), &project::target())?;
        aws.seed_example()?;
        let kubectl = cluster.kubectl();
        step("installing the CRDs of cert-manager and Prometheus", || {
            crds::install(&kubectl)
        })?;
        step(
            "installing: kubectl apply -f manifests/install.yaml",
            || install::install(&kubectl, &aws.stand_in.url()),
        )?;
        Ok(Self {
            cluster,
            kubectl,
            aws,
        })
    }

    /// A new namespace with this name.
    pub(crate) fn namespace(&self, name: &str) -> Namespace<'_> {
        self.namespace_with(name, "")
    }

    /// The same, with labels in YAML's flow form.
    pub(crate) fn namespace_with(&self, name: &str, labels: &str) -> Namespace<'_> {
        let _ = self
            .kubectl
            .run(&["delete", "namespace", name, "--ignore-not-found", "--wait"]);
        self.kubectl.apply(&format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {{{labels}}}\n")).unwrap();
        self.kubectl
            .wait_until("the namespace has its ServiceAccount", || {
                Ok(self
                    .kubectl
                    .run(&["-n", name, "get", "serviceaccount", "default"])
                    .is_ok())
            })
            .unwrap();
        Namespace {
            world: self,
            name: name.to_owned(),
        }
    }
}

/// The right to use the cluster's name, until it is dropped: two runs in one tree would end each other's cluster.
pub(crate) fn claim() -> anyhow::Result<File> {
    let folder = project::target().join("cluster");
    std::fs::create_dir_all(&folder)?;
    let claim = File::create(folder.join(format!("{NAME}.lock")))?;
    claim
        .try_lock()
        .context("another run of the scenarios uses the cluster: wait until it has ended")?;
    Ok(claim)
}

/// Ends the cluster, unless it is to be kept.
pub(crate) fn take_down() {
    if keeps_cluster() {
        line("E2E_KEEP=1: the cluster is left running");
        return;
    }
    if let Err(error) = step("removing the cluster", || Cluster::down(NAME)) {
        line(&format!("could not remove the cluster: {error:#}"));
    }
}

/// Ctrl-C leaves nothing behind either.
pub(crate) fn take_down_on_signals() {
    use tokio::signal::unix::{SignalKind, signal};
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).unwrap();
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        take_down();
        std::process::exit(130);
    });
}

/// One scenario's namespace. It is left when a scenario fails, and goes with the cluster.
pub(crate) struct Namespace<'a> {
    pub(crate) world: &'a World,
    pub(crate) name: String,
}

impl Namespace<'_> {
    /// kubectl in this namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.world
            .kubectl
            .run(&[&["-n", &self.name], arguments].concat())
    }

    /// Applies manifests that name no namespace.
    pub(crate) fn apply(&self, manifests: &[&str]) -> anyhow::Result<String> {
        let placed: Vec<_> = manifests
            .iter()
            .map(|manifest| {
                manifest.replacen(
                    "metadata:\n",
                    &format!("metadata:\n  namespace: {}\n", self.name),
                    1,
                )
            })
            .collect();
        self.world.kubectl.apply(&placed.join("\n---\n"))
    }

    pub(crate) fn get(&self, arguments: &[&str]) -> Value {
        self.world
            .kubectl
            .get(&[&["-n", &self.name], arguments].concat())
            .unwrap()
    }

    /// Runs a script in a container of the Deployment `web`.
    pub(crate) fn sh(&self, container: &str, script: &str) -> anyhow::Result<String> {
        self.kubectl(&[
            "exec",
            "deployment/web",
            "-c",
            container,
            "--",
            "sh",
            "-c",
            script,
        ])
    }

    /// Waits until the Deployment `web` runs.
    pub(crate) fn wait_for_web(&self) {
        let done = self.kubectl(&["rollout", "status", "--timeout=180s", "deployment/web"]);
        if let Err(error) = done {
            let described = self
                .kubectl(&["describe", "deployments,replicasets,pods"])
                .unwrap_or_default();
            panic!("{error:#}\n{described}");
        }
    }

    /// Waits for an event of the namespace that has all these words; its message.
    pub(crate) fn wait_for_event(&self, words: &[&str]) -> String {
        let found = || {
            let events = self.world.kubectl.get(&["-n", &self.name, "events"])?;
            let messages = events["items"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|event| event["message"].as_str());
            Ok::<_, anyhow::Error>(
                messages
                    .filter(|message| words.iter().all(|word| message.contains(word)))
                    .map(str::to_owned)
                    .next(),
            )
        };
        self.world
            .kubectl
            .wait_until(&format!("an event says {words:?}"), || {
                Ok(found()?.is_some())
            })
            .unwrap();
        found().unwrap().unwrap()
    }

    /// The name of the only pod of `web`.
    pub(crate) fn pod(&self) -> String {
        let name = || {
            self.kubectl(&[
                "get",
                "pods",
                "-l",
                "app=web",
                "-o",
                "jsonpath={.items[*].metadata.name}",
            ])
        };
        self.world
            .kubectl
            .wait_until("there is a pod", || Ok(!name()?.trim().is_empty()))
            .unwrap();
        name().unwrap().trim().to_owned()
    }

    /// What this namespace's pods asked AWS.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.world.aws.stand_in.calls_of(&self.name)
    }
}
