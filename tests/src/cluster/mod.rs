//! The cluster: one that was named on purpose, or kind where a Docker engine answers, or a local one. Scenarios do not know
//! which: they have a kubeconfig, images by their tags, and an address at which pods reach this process.

mod kind;
mod local;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub use local::Local;

use crate::images::{self, Profile};
use crate::kubectl::Kubectl;
use crate::progress::step;

/// A kubeconfig of a cluster that these tests may use as they like. Never the ambient KUBECONFIG: that may be somebody's
/// production.
const GIVEN: &str = "E2E_KUBECONFIG";
/// The address of this machine as pods of that cluster see it.
const GIVEN_ADDRESS: &str = "E2E_ADDRESS";

/// A cluster.
#[derive(Debug)]
pub enum Cluster {
    /// Named by [`GIVEN`]; its nodes must have the images.
    Given {
        /// Its kubeconfig.
        kubeconfig: PathBuf,
        /// The address of this machine as pods see it.
        address: IpAddr,
    },
    /// Made by kind.
    Kind(kind::Kind),
    /// Made of processes on this machine.
    Local(Local),
}

impl Cluster {
    /// Starts a cluster under a name, or takes the given one. What was left under the name is removed first.
    pub fn up(name: &str) -> anyhow::Result<Self> {
        if let Some(kubeconfig) = std::env::var_os(GIVEN) {
            let address = std::env::var(GIVEN_ADDRESS).with_context(|| {
                format!(
                    "with {GIVEN}, set {GIVEN_ADDRESS} to this machine's address as pods see it"
                )
            })?;
            let address = address
                .parse()
                .with_context(|| format!("{GIVEN_ADDRESS}: {address:?} is not an IP address"))?;
            return Ok(Self::Given {
                kubeconfig: kubeconfig.into(),
                address,
            });
        }
        if images::has_docker() {
            return kind::Kind::up(name).map(Self::Kind);
        }
        Local::up(name).map(Self::Local)
    }

    /// A cluster that an earlier run left on purpose, where it can be found again: only a local one can.
    pub fn find(name: &str) -> Option<Self> {
        if std::env::var_os(GIVEN).is_some() || images::has_docker() {
            return None;
        }
        Local::find(name).ok().map(Self::Local)
    }

    /// Removes what is there under a name. A given cluster is not ours to remove.
    pub fn down(name: &str) -> anyhow::Result<()> {
        if std::env::var_os(GIVEN).is_some() {
            return Ok(());
        }
        if images::has_docker() {
            return kind::Kind::down(name);
        }
        Local::down(name)
    }

    /// Its kubectl.
    pub fn kubectl(&self) -> Kubectl {
        let kubeconfig = match self {
            Self::Given { kubeconfig, .. } => kubeconfig,
            Self::Kind(kind) => &kind.kubeconfig,
            Self::Local(local) => &local.kubeconfig,
        };
        Kubectl::new(kubeconfig)
    }

    /// An address of this machine that pods reach.
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Given { address, .. } => *address,
            Self::Kind(kind) => kind.address,
            Self::Local(local) => local.host_address(),
        }
    }

    /// Ends the API server and starts it anew, as an upgrade of the control plane does. `false`: the cluster is not ours.
    pub fn restart_api_server(&self) -> anyhow::Result<bool> {
        match self {
            Self::Given { .. } => return Ok(false),
            Self::Kind(kind) => kind.restart_api_server()?,
            Self::Local(local) => local.restart_api_server()?,
        }
        Ok(true)
    }

    /// Builds our images and gives them to the nodes.
    pub fn load_images(&self, profile: Profile) -> anyhow::Result<()> {
        let binaries = step("building the static binaries", || {
            images::build_binaries(profile)
        })?;
        let archives = step("building the images from the Dockerfiles", || {
            images::build_images(&binaries)
        })?;
        step("loading the images into the cluster", || {
            archives
                .iter()
                .try_for_each(|(tag, archive)| self.load(tag, archive))
        })
    }

    fn load(&self, tag: &str, archive: &Path) -> anyhow::Result<()> {
        match self {
            // Whoever names a cluster of their own pushes the images where its nodes find them.
            Self::Given { .. } => Ok(()),
            Self::Kind(_) if tag == images::PAUSE => Ok(()),
            Self::Kind(kind) => kind.load(archive),
            Self::Local(local) => local.load(archive),
        }
    }
}
