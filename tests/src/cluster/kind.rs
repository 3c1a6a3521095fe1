//! A cluster of kind, where a Docker engine answers.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::command::run;
use crate::progress::step;
use crate::project;

/// A cluster of kind.
#[derive(Debug)]
pub struct Kind {
    name: String,
    /// Its kubeconfig.
    pub kubeconfig: PathBuf,
    /// The gateway of kind's network: this machine.
    pub address: IpAddr,
}

fn kind() -> Command {
    Command::new("kind")
}

impl Kind {
    pub(super) fn up(name: &str) -> anyhow::Result<Self> {
        let name = format!("aws-secrets-{name}");
        let folder = project::target().join("cluster").join(&name);
        std::fs::create_dir_all(&folder)?;
        let kubeconfig = folder.join("kubeconfig");
        // A label that every cloud provider sets.
        let config = folder.join("kind.yaml");
        std::fs::write(
            &config,
            "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n  - role: control-plane\n    labels: {topology.kubernetes.io/region: us-east-2}\n",
        )?;
        let _ = run(kind().args(["delete", "cluster", "--name", &name]));
        step("creating a cluster with kind", || {
            run(kind()
                .args([
                    "create", "cluster", "--name", &name, "--wait", "3m", "--config",
                ])
                .arg(&config)
                .arg("--kubeconfig")
                .arg(&kubeconfig))
            .context("is kind installed? https://kind.sigs.k8s.io")
        })?;
        let network = run(Command::new("docker").args([
            "network",
            "inspect",
            "kind",
            "--format",
            "{{range .IPAM.Config}}{{.Gateway}} {{end}}",
        ]))?;
        let address = network
            .split_whitespace()
            .filter_map(|address| address.parse::<IpAddr>().ok())
            .find(IpAddr::is_ipv4);
        Ok(Self {
            name,
            kubeconfig,
            address: address.context("kind's network has no IPv4 gateway")?,
        })
    }

    pub(super) fn down(name: &str) -> anyhow::Result<()> {
        run(kind().args([
            "delete",
            "cluster",
            "--name",
            &format!("aws-secrets-{name}"),
        ]))
        .map(drop)
    }

    /// The kubelet of the node starts it again.
    pub(super) fn restart_api_server(&self) -> anyhow::Result<()> {
        let node = format!("{}-control-plane", self.name);
        run(Command::new("docker").args(["exec", &node, "pkill", "kube-apiserver"])).map(drop)
    }

    pub(super) fn load(&self, archive: &Path) -> anyhow::Result<()> {
        run(kind()
            .args(["load", "image-archive", "--name", &self.name])
            .arg(archive))
        .map(drop)
    }
}
