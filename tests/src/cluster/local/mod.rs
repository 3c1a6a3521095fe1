//! A cluster of processes on this machine: etcd, the Kubernetes programs and containerd, all in namespaces of their own
//! (network, mounts, processes). So no port, mount, bridge or iptables rule of it is the machine's, and ending the first
//! process of the namespace ends everything.

mod cgroups;
mod components;
mod kubernetes;
mod namespace;
mod pki;
mod process;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::command::{run, start};
use crate::kubectl::Kubectl;
use crate::progress::step;
use crate::{packages, project};
use namespace::Namespace;

/// A local cluster.
#[derive(Debug)]
pub struct Local {
    /// A kubeconfig of its administrator.
    pub kubeconfig: PathBuf,
    namespace: Namespace,
}

fn folder_of(name: &str) -> PathBuf {
    project::target().join("cluster").join(name)
}

impl Local {
    pub(super) fn up(name: &str) -> anyhow::Result<Self> {
        if !packages::is_root() {
            bail!(
                "the local cluster needs root: run this with sudo -E, or start a Docker engine for kind, or set E2E_KUBECONFIG"
            );
        }
        packages::for_local_cluster()?;
        let programs = kubernetes::build()?;
        Self::down(name)?;
        let folder = folder_of(name);
        fs::create_dir_all(&folder)?;
        step("starting a local cluster", || {
            let namespace = Namespace::create(&folder)?;
            let kubeconfig = components::start(&namespace, &programs, &folder)?;
            let local = Self {
                kubeconfig,
                namespace,
            };
            local.wait_until_ready()?;
            Ok(local)
        })
    }

    pub(super) fn down(name: &str) -> anyhow::Result<()> {
        let folder = folder_of(name);
        if !folder.exists() {
            return Ok(());
        }
        Namespace::remove(&folder)?;
        fs::remove_dir_all(&folder)
            .with_context(|| format!("could not remove {}", folder.display()))
    }

    /// A cluster that another process started and left running.
    pub(super) fn find(name: &str) -> anyhow::Result<Self> {
        let folder = folder_of(name);
        let namespace = Namespace::find(&folder)?;
        Ok(Self {
            kubeconfig: components::kubeconfig(&folder),
            namespace,
        })
    }

    pub(super) fn host_address(&self) -> IpAddr {
        IpAddr::V4(self.namespace.host_address())
    }

    /// The kubectl that goes with the cluster's version, for any cluster.
    pub(crate) fn kubectl_program() -> anyhow::Result<PathBuf> {
        kubernetes::kubectl()
    }

    /// The node's own address.
    pub fn node_address(&self) -> Ipv4Addr {
        self.namespace.node_address()
    }

    /// A command that runs where the cluster's processes do, and ends with them.
    pub fn inside(&self, program: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
        self.namespace.command(program)
    }

    pub(super) fn restart_api_server(&self) -> anyhow::Result<()> {
        let program = "kube-apiserver";
        let running = self.namespace.process(program)?;
        let arguments = running.arguments()?;
        running.end("-KILL")?;
        let (program_path, flags) = arguments.split_first().context("it has no command line")?;
        let mut again = self.namespace.command(program_path);
        start(
            again.args(flags),
            &self.folder().join(format!("{program}-again.log")),
        )
        .map(drop)
    }

    fn folder(&self) -> &Path {
        self.kubeconfig.parent().unwrap_or(Path::new(""))
    }

    pub(super) fn load(&self, archive: &Path) -> anyhow::Result<()> {
        let mut import = self.namespace.command("ctr");
        run(import
            .args([
                "--namespace",
                "k8s.io",
                "images",
                "import",
                "--all-platforms",
            ])
            .arg(archive))
        .map(drop)
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let kubectl = Kubectl::new(&self.kubeconfig);
        kubectl.wait_until("the node is ready", || {
            let ready = kubectl.run(&[
                "get",
                "nodes",
                "-o",
                "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}",
            ])?;
            let account = kubectl.run(&["get", "serviceaccount", "default", "-o", "name"])?;
            Ok(ready.trim() == "True" && !account.is_empty())
        })
    }
}
