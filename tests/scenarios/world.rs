//! Shared by all scenarios: the cluster with the installation, and the AWS stand-in.

use std::fs::File;
use std::net::SocketAddr;

use anyhow::Context as _;
use aws_stand_in::Call;
use e2e::images::{self, Profile};
use e2e::progress::{line, step};
use e2e::stand_in::Aws;
use e2e::{Cluster, Kubectl, crds, helm, install, project, stand_in};
use serde_json::Value;

/// The name of the cluster.
const NAME: &str = "test";

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) kubectl: Kubectl,
    pub(crate) aws: Aws,
}

/// Whether random and repeated parts take longer, as in the scheduled run: `E2E_LONG=1`.
pub(crate) fn is_long() -> bool {
    std::env::var_os("E2E_LONG").is_some_and(|value| value == "1")
}

fn keeps_cluster() -> bool {
    std::env::var_os("E2E_KEEP").is_some_and(|value| value == "1")
}

impl World {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let images = images::start_building(Profile::Dev);
        let moto = stand_in::start_installing_moto();
        let left = keeps_cluster().then(|| Cluster::find(NAME)).flatten();
        let cluster = match left {
            Some(cluster) => {
                line("==> taking the cluster that is running");
                cluster
            }
            None => Cluster::up(NAME)?,
        };
        helm::program()?;
        moto.finish()?;
        cluster.load_images(images)?;
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

    /// A new namespace with labels in YAML flow style.
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

/// A lock on the cluster's name: two runs in one tree would stop each other's cluster.
pub(crate) fn claim() -> anyhow::Result<File> {
    let folder = project::target().join("cluster");
    std::fs::create_dir_all(&folder)?;
    let claim = File::create(folder.join(format!("{NAME}.lock")))?;
    claim
        .try_lock()
        .context("another run of the scenarios uses the cluster: wait until it has ended")?;
    Ok(claim)
}

/// Removes the cluster, unless it is kept.
pub(crate) fn take_down() {
    if keeps_cluster() {
        line("E2E_KEEP=1: the cluster is left running");
        return;
    }
    remove(|| Cluster::down(NAME));
}

fn remove(how: impl FnOnce() -> anyhow::Result<()>) {
    if let Err(error) = step("removing the cluster", how) {
        line(&format!("could not remove the cluster: {error:#}"));
    }
}

/// Also cleans up on Ctrl-C.
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
        if !keeps_cluster() {
            // The scenarios fail in the meantime, and their thread would also remove the cluster.
            remove(|| Cluster::down_for_good(&[NAME]));
        }
        std::process::exit(130);
    });
}

/// The namespace of one scenario. It remains if the scenario fails, until the cluster is removed.
pub(crate) struct Namespace<'a> {
    pub(crate) world: &'a World,
    pub(crate) name: String,
}

/// The node has room for 110 pods, and those of earlier scenarios would slow down all later ones.
impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let delete = ["delete", "namespace", &self.name, "--wait=false"];
            let _ = self.world.kubectl.run(&delete);
        }
    }
}

impl Namespace<'_> {
    /// kubectl in this namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.world
            .kubectl
            .run(&[&["-n", &self.name], arguments].concat())
    }

    /// Applies manifests without a namespace.
    pub(crate) fn apply(&self, manifests: &[&str]) -> anyhow::Result<String> {
        let placed: Vec<_> = manifests
            .iter()
            .map(|manifest| self.placed(manifest))
            .collect();
        self.world.kubectl.apply(&placed.join("\n---\n"))
    }

    /// Adds this namespace to a YAML or JSON manifest.
    fn placed(&self, manifest: &str) -> String {
        if let Ok(mut object) = serde_json::from_str::<Value>(manifest) {
            object["metadata"]["namespace"] = self.name.as_str().into();
            return object.to_string();
        }
        let named = format!("metadata:\n  namespace: {}\n", self.name);
        manifest.replacen("metadata:\n", &named, 1)
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

    /// Waits until the Deployment `web` is running.
    pub(crate) fn wait_for_web(&self) {
        let done = self.kubectl(&["rollout", "status", "--timeout=180s", "deployment/web"]);
        if let Err(error) = done {
            let described = self
                .kubectl(&["describe", "deployments,replicasets,pods"])
                .unwrap_or_default();
            panic!("{error:#}\n{described}");
        }
    }

    /// Waits for an event in the namespace that contains all these words. Returns its message.
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

    /// The AWS calls of this namespace's pods.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.world.aws.stand_in.calls_of(&self.name)
    }
}
