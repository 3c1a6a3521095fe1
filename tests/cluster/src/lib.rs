//! A cluster for tests: one that was named explicitly, or a kind cluster, in the running Docker engine or in a separate one.
//! Users do not depend on which: they get a kubeconfig, and an address at which pods can reach this process.
//!
//! | module | contents |
//! |---|---|
//! | [`Cluster`] | the cluster; [`up`] starts one |
//! | [`kubectl`] | access to it |
//! | `kind` | a kind cluster |
//! | `engine` | the Docker engine: the machine's, or a separate one in namespaces |
//! | `node_image` | the node image, where kind's own cannot be pulled |
//! | `programs` | the programs of a node, built from the Go module in `programs/` |
//! | [`node_settings`] | kernel settings of nodes |
//! | [`packages`] | required programs |
//! | [`project`] | folders of the project |
//! | [`progress`] | what runs now |
//! | [`interrupt`] | Ctrl-C |
//! | [`command`], `process` | running programs |
//! | [`go`] | programs built from Go modules |

pub mod command;
mod engine;
pub mod go;
pub mod interrupt;
mod kind;
pub mod kubectl;
mod node_image;
pub mod node_settings;
pub mod packages;
mod process;
mod programs;
pub mod progress;
pub mod project;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

pub use engine::machine_has_one;
pub use kubectl::Kubectl;
pub use programs::{etcd, oldest_api_server};

use crate::progress::{Beside, step};
use kind::Kind;

/// The kubeconfig of a cluster for these tests. The ambient KUBECONFIG is never used: it could be a production cluster.
const GIVEN: &str = "E2E_KUBECONFIG";
/// The address of this machine as seen from pods of that cluster.
const GIVEN_ADDRESS: &str = "E2E_ADDRESS";

/// A tag and an archive for each image.
pub type Images = Vec<(&'static str, PathBuf)>;

/// Starts a cluster with this name, or uses the given one. Removes leftovers of the name first.
///
/// # Errors
///
/// When something is missing, or a program fails.
pub fn up(name: &str) -> anyhow::Result<Cluster> {
    Cluster::up(name)
}

/// A cluster.
#[derive(Debug)]
pub struct Cluster(Origin);

#[derive(Debug)]
enum Origin {
    /// Named by [`GIVEN`]; its nodes must have the images.
    Given {
        kubeconfig: PathBuf,
        /// The address of this machine as pods see it.
        address: IpAddr,
    },
    /// Created with kind.
    Kind(Kind),
}

impl Cluster {
    /// Starts a cluster with this name, or uses the given one. Removes leftovers of the name first.
    pub fn up(name: &str) -> anyhow::Result<Self> {
        if let Some(kubeconfig) = std::env::var_os(GIVEN) {
            let address = std::env::var(GIVEN_ADDRESS).with_context(|| {
                format!(
                    "{GIVEN} is set: also set {GIVEN_ADDRESS} to this machine's address as seen from pods"
                )
            })?;
            let address = address
                .parse()
                .with_context(|| format!("{GIVEN_ADDRESS}: {address:?} is not an IP address"))?;
            return Ok(Self(Origin::Given {
                kubeconfig: kubeconfig.into(),
                address,
            }));
        }
        Kind::up(name).map(Origin::Kind).map(Self)
    }

    /// A cluster that an earlier run kept.
    pub fn find(name: &str) -> Option<Self> {
        if std::env::var_os(GIVEN).is_some() {
            return None;
        }
        Kind::find(name).ok().map(Origin::Kind).map(Self)
    }

    /// Removes the cluster with this name. A given cluster is not removed.
    pub fn down(name: &str) -> anyhow::Result<()> {
        if std::env::var_os(GIVEN).is_some() {
            return Ok(());
        }
        Kind::down(name)
    }

    /// Removes clusters before this process exits. Other threads can then neither start nor remove clusters.
    pub fn down_for_good(names: &[&str]) -> anyhow::Result<()> {
        if Self::is_given() {
            return Ok(());
        }
        Kind::down_for_good(names)
    }

    /// Whether the only cluster is the one that was named explicitly.
    pub fn is_given() -> bool {
        std::env::var_os(GIVEN).is_some()
    }

    /// Its kubectl.
    pub fn kubectl(&self) -> Kubectl {
        let kubeconfig = match &self.0 {
            Origin::Given { kubeconfig, .. } => kubeconfig,
            Origin::Kind(kind) => &kind.kubeconfig,
        };
        Kubectl::new(kubeconfig)
    }

    /// An address of this machine that pods can reach.
    pub fn address(&self) -> IpAddr {
        match &self.0 {
            Origin::Given { address, .. } => *address,
            Origin::Kind(kind) => kind.address,
        }
    }

    /// A program that outlives this one, and the address on which it must listen for pods. It stops with the cluster's
    /// engine, if that is a separate one.
    pub fn beside(&self, program: &Path) -> (Command, IpAddr) {
        match &self.0 {
            Origin::Given { address, .. } => (Command::new(program), *address),
            Origin::Kind(kind) => kind.beside(program),
        }
    }

    /// Restarts the API server, as an upgrade of the control plane does. `false`: this is a given cluster.
    pub fn restart_api_server(&self) -> anyhow::Result<bool> {
        match &self.0 {
            Origin::Given { .. } => return Ok(false),
            Origin::Kind(kind) => kind.restart_api_server()?,
        }
        Ok(true)
    }

    /// Waits for the images and loads them on the nodes.
    pub fn load_images(&self, images: Beside<Images>) -> anyhow::Result<()> {
        let images = images.finish()?;
        let archives: Vec<&Path> = images.iter().map(|(_, file)| file.as_path()).collect();
        step("loading the images into the cluster", || {
            self.load(&archives)
        })
    }

    /// Loads images on the nodes. Those of a given cluster must already have them.
    pub fn load(&self, archives: &[&Path]) -> anyhow::Result<()> {
        match &self.0 {
            Origin::Given { .. } => Ok(()),
            Origin::Kind(kind) => kind.load(archives),
        }
    }
}
