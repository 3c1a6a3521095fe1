//! A kind cluster in an engine.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};

use super::engine::{self, Engine, Life, Own};
use super::node_image::{self, NodeImage};
use super::programs;
use crate::command::run;
use crate::kubectl::Kubectl;
use crate::progress::{line, step};
use crate::{node_settings, project};

/// The name of kind's network in Docker.
const NETWORK: &str = "kind";
/// A label that every cloud provider sets.
const REGION: &str = "us-east-2";
/// kubeadm settings for our own node image: no CoreDNS, and no durability of the cluster's data.
const PATCH: &str = r#"kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    dns: {disabled: true}
    etcd: {local: {extraArgs: [{name: unsafe-no-fsync, value: "true"}]}}
"#;

/// Starting and removing a cluster exclude each other.
static CHANGING: Mutex<()> = Mutex::new(());

/// A kind cluster.
#[derive(Debug)]
pub(super) struct Kind {
    name: String,
    engine: Engine,
    /// Its kubeconfig.
    pub(super) kubeconfig: PathBuf,
    /// The machine's address as seen from pods.
    pub(super) address: IpAddr,
}

fn folder_of(name: &str) -> PathBuf {
    project::target().join("cluster").join(name)
}

/// Its name for kind, which other projects may also use.
fn full_name(name: &str) -> String {
    format!("aws-secrets-{name}")
}

fn changing() -> MutexGuard<'static, ()> {
    CHANGING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kind(engine: &Engine) -> anyhow::Result<Command> {
    let mut kind = engine.client(programs::kind()?);
    kind.env("KIND_EXPERIMENTAL_PROVIDER", "docker");
    Ok(kind)
}

impl Kind {
    pub(super) fn up(name: &str) -> anyhow::Result<Self> {
        let folder = folder_of(name);
        if engine::machine_has_one() {
            let engine = Engine::Machine;
            let image = node_image::for_machine(&engine)?;
            let _changing = changing();
            remove(name)?;
            fs::create_dir_all(&folder)?;
            return Self::create(name, engine, &image);
        }
        let (image, data) = node_image::for_own_engines()?;
        let _changing = changing();
        remove(name)?;
        let engine = step("starting a Docker engine in separate namespaces", || {
            let own_data = folder.join("docker");
            node_image::copy(&data, &own_data)?;
            let own = Own::start(&folder, &own_data, Life::OfItsOwn)?;
            node_settings::raise(own.first_process())?;
            Ok(Engine::Own(own))
        })?;
        Self::create(name, engine, &image)
    }

    fn create(name: &str, engine: Engine, image: &NodeImage) -> anyhow::Result<Self> {
        let folder = folder_of(name);
        let config = folder.join("kind.yaml");
        fs::write(&config, config_of(&engine, image))?;
        let kubeconfig = folder.join("kubeconfig");
        let what = format!(
            "creating a cluster with kind {}, Docker {} and {}",
            programs::kind_version()?,
            engine.version()?,
            image.name
        );
        step(&what, || {
            let mut create = kind(&engine)?;
            create
                .args(["create", "cluster", "--wait", "3m", "--quiet"])
                .args(["--name", &full_name(name), "--image", &image.name])
                .arg("--config")
                .arg(&config)
                .arg("--kubeconfig")
                .arg(&kubeconfig);
            run(&mut create)?;
            wait_for_accounts(&kubeconfig)
        })?;
        let cluster = Self::of(name, engine)?;
        line(&format!("    {}", cluster.facts()?));
        Ok(cluster)
    }

    /// A running cluster.
    fn of(name: &str, engine: Engine) -> anyhow::Result<Self> {
        Ok(Self {
            name: full_name(name),
            kubeconfig: folder_of(name).join("kubeconfig"),
            address: engine.host_address(NETWORK)?,
            engine,
        })
    }

    /// A cluster that another process started and left running.
    pub(super) fn find(name: &str) -> anyhow::Result<Self> {
        let engine = if engine::machine_has_one() {
            Engine::Machine
        } else {
            Engine::Own(Own::find(&folder_of(name))?)
        };
        let cluster = Self::of(name, engine)?;
        let format = "{{.State.Running}}";
        let running =
            run(cluster
                .engine
                .docker()
                .args(["inspect", "--format", format, &cluster.node()]))?;
        ensure!(
            running.trim() == "true",
            "{} is not running",
            cluster.node()
        );
        ensure!(cluster.kubeconfig.exists(), "its kubeconfig is missing");
        Ok(cluster)
    }

    pub(super) fn down(name: &str) -> anyhow::Result<()> {
        let _changing = changing();
        remove(name)
    }

    /// Removes them. Afterwards, this process neither starts nor removes clusters.
    pub(super) fn down_for_good(names: &[&str]) -> anyhow::Result<()> {
        std::mem::forget(changing());
        names.iter().try_for_each(|name| remove(name))
    }

    /// The container that is its node.
    fn node(&self) -> String {
        format!("{}-control-plane", self.name)
    }

    /// Runs a program in the node.
    fn in_node(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(self
            .engine
            .docker()
            .args(["exec", &self.node()])
            .args(arguments))
    }

    /// A program that runs next to the cluster, and the address at which pods reach it.
    pub(super) fn beside(&self, program: &Path) -> (Command, IpAddr) {
        match &self.engine {
            Engine::Machine => (Command::new(program), self.address),
            Engine::Own(own) => (own.inside(program), IpAddr::V4(own.address())),
        }
    }

    /// Stops the API server; the kubelet restarts it.
    pub(super) fn restart_api_server(&self) -> anyhow::Result<()> {
        self.in_node(&["pkill", "kube-apiserver"]).map(drop)
    }

    pub(super) fn load(&self, archives: &[&Path]) -> anyhow::Result<()> {
        let mut load = kind(&self.engine)?;
        load.args(["load", "image-archive", "--name", &self.name]);
        run(load.args(archives)).map(drop)
    }

    /// Describes the node in one line, because test results depend on it.
    fn facts(&self) -> anyhow::Result<String> {
        let kubectl = Kubectl::new(&self.kubeconfig);
        let nodes = kubectl.get(&["nodes"])?;
        let info = &nodes["items"][0]["status"]["nodeInfo"];
        let word = |field: &str| info[field].as_str().unwrap_or("?").to_owned();
        let cgroups = self.in_node(&["stat", "--file-system", "--format=%T", "/sys/fs/cgroup"])?;
        let cgroups = if cgroups.trim() == "cgroup2fs" { 2 } else { 1 };
        let mut settings = Vec::new();
        for name in ["symlinks", "hardlinks", "regular", "fifos"] {
            let value = self.in_node(&["cat", &format!("/proc/sys/fs/protected_{name}")])?;
            settings.push(format!("{name} {}", value.trim()));
        }
        Ok(format!(
            "node: Kubernetes {}, {}, {}, Linux {}, cgroup v{cgroups}, fs.protected: {}",
            word("kubeletVersion"),
            word("containerRuntimeVersion"),
            word("osImage"),
            word("kernelVersion"),
            settings.join(", "),
        ))
    }
}

fn config_of(engine: &Engine, image: &NodeImage) -> String {
    let networking = match engine {
        Engine::Machine => String::new(),
        // The engine's loopback address is not the machine's.
        Engine::Own(own) => format!(
            "networking: {{apiServerAddress: {}, apiServerPort: 6443}}\n",
            own.address()
        ),
    };
    let patch = if image.is_ours { PATCH } else { "" };
    format!(
        "kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
    labels: {{topology.kubernetes.io/region: {REGION}}}
{networking}{patch}"
    )
}

fn wait_for_accounts(kubeconfig: &Path) -> anyhow::Result<()> {
    let kubectl = Kubectl::new(kubeconfig);
    kubectl.wait_until("the default ServiceAccount exists", || {
        let account = kubectl.run(&["get", "serviceaccount", "default", "-o", "name"])?;
        Ok(!account.is_empty())
    })
}

/// Removes everything with this name.
fn remove(name: &str) -> anyhow::Result<()> {
    let folder = folder_of(name);
    Own::end(&folder)?;
    node_settings::release()?;
    if engine::machine_has_one() {
        run(kind(&Engine::Machine)?.args(["delete", "cluster", "--name", &full_name(name)]))?;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("could not remove {}", folder.display()))?;
    }
    Ok(())
}
