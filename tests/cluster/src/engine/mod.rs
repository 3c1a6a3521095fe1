//! The Docker engine for a cluster: this machine's engine if it is running, otherwise a separate one in namespaces. Its ports,
//! mounts, bridges and iptables rules do not affect the machine, and stopping its first process stops everything.

mod cgroups;
mod dockerd;
mod namespace;

use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::command::{find, run};
use crate::packages;
use crate::process::Process;

pub(super) use namespace::Life;
use namespace::Namespace;

/// An engine.
#[derive(Debug)]
pub(super) enum Engine {
    /// The machine's engine.
    Machine,
    /// A separate engine.
    Own(Own),
}

/// An engine in namespaces.
#[derive(Debug)]
pub(super) struct Own {
    namespace: Namespace,
    /// The folder with Docker's programs, if Docker is not installed.
    programs: Option<PathBuf>,
}

/// Arguments that print the engine's version. The command fails if no engine is running.
const SERVER_VERSION: [&str; 3] = ["version", "--format", "{{.Server.Version}}"];

/// Whether the machine's engine is running.
pub fn machine_has_one() -> bool {
    find("docker").is_some() && run(Command::new("docker").args(SERVER_VERSION)).is_ok()
}

/// A separate engine needs namespaces and mounts.
pub(super) fn needs_root() -> anyhow::Result<()> {
    ensure!(
        packages::is_root(),
        "Docker is not running, and starting a separate engine requires root: start Docker, run this with sudo -E, or set E2E_KUBECONFIG"
    );
    Ok(())
}

impl Engine {
    /// A Docker client command.
    pub(super) fn docker(&self) -> Command {
        self.client("docker")
    }

    /// A program that uses Docker's client.
    pub(super) fn client(&self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::Machine => Command::new(program),
            Self::Own(own) => own.client(program),
        }
    }

    /// Its version for display.
    pub(super) fn version(&self) -> anyhow::Result<String> {
        let version = run(self.docker().args(SERVER_VERSION))?;
        Ok(version.trim().to_owned())
    }

    /// Whether it has an image with this name.
    pub(super) fn has_image(&self, image: &str) -> bool {
        run(self.docker().args(["image", "inspect", image])).is_ok()
    }

    /// The machine's address as seen from containers of this network.
    pub(super) fn host_address(&self, network: &str) -> anyhow::Result<IpAddr> {
        if let Self::Own(own) = self {
            return Ok(IpAddr::V4(own.namespace.host_address()));
        }
        let format = "{{range .IPAM.Config}}{{.Gateway}} {{end}}";
        let printed = run(self
            .docker()
            .args(["network", "inspect", network, "--format", format]))?;
        printed
            .split_whitespace()
            .filter_map(|address| address.parse::<IpAddr>().ok())
            .find(IpAddr::is_ipv4)
            .with_context(|| format!("Docker's network {network:?} has no IPv4 gateway"))
    }
}

impl Own {
    /// Starts an engine with its record and data in a folder. Stops a leftover engine there first, but keeps `data`.
    pub(super) fn start(folder: &Path, data: &Path, life: Life) -> anyhow::Result<Self> {
        needs_root()?;
        packages::for_own_engine()?;
        Self::end(folder)?;
        fs::create_dir_all(folder)?;
        let programs = dockerd::programs()?;
        let namespace = Namespace::create(folder, life)?;
        let own = Self {
            namespace,
            programs,
        };
        dockerd::start(&own, folder, data)?;
        Ok(own)
    }

    /// A running engine.
    pub(super) fn find(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            namespace: Namespace::find(folder)?,
            programs: dockerd::programs()?,
        })
    }

    /// Stops the engine of a folder with everything in it, and removes what outlives it.
    pub(super) fn end(folder: &Path) -> anyhow::Result<()> {
        Namespace::remove(folder)
    }

    /// The process that stops the engine when it exits.
    pub(super) fn first_process(&self) -> &Process {
        self.namespace.first_process()
    }

    /// Its address as seen from the machine. Published ports are on this address.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.namespace.address()
    }

    /// A program that uses Docker's client.
    fn client(&self, program: impl AsRef<OsStr>) -> Command {
        let socket = self.namespace.path(dockerd::SOCKET);
        let mut command = Command::new(program);
        command
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .env("PATH", dockerd::search_path(self.programs.as_deref()));
        command
    }

    /// A command that runs next to its containers. It stops with the engine.
    pub(super) fn inside(&self, program: impl AsRef<OsStr>) -> Command {
        self.namespace.command(program)
    }
}
