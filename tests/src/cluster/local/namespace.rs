//! Namespaces for the cluster's network, mounts and processes, joined to this machine by a pair of virtual interfaces.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::cgroups;
use super::process::Process;
use crate::command::{run, start};

/// File in the cluster's folder that says which processes and interface are its own.
const RECORD: &str = "namespace.json";

/// The namespaces, found by their first process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    /// The first process: it ends, all end.
    init: Process,
    /// Number of the network and of the interfaces.
    number: u8,
}

impl Namespace {
    pub(super) fn create(folder: &Path) -> anyhow::Result<Self> {
        // The first process of a process namespace has to collect all that end: a shell that waits does.
        let idle = "while :; do sleep 3600 & wait $!; done";
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--propagation",
            "private",
        ]);
        let process = start(unshare.args(["sh", "-c", idle]), &folder.join("init.log"))?;
        let init = Process::of(first_child(process.id())?)
            .context("the namespace's first process ended at once")?;
        let namespace = Self { init, number: 0 };
        namespace.record(folder)?;
        namespace.connect().and_then(|namespace| {
            namespace.record(folder)?;
            namespace.mount()?;
            cgroups::create(&namespace.cgroup())?;
            Ok(namespace)
        })
    }

    /// The namespace of a cluster that runs.
    pub(super) fn find(folder: &Path) -> anyhow::Result<Self> {
        let found = Self::recorded(folder)?.context("no cluster was started")?;
        ensure!(found.init.is_alive(), "the cluster does not run any more");
        Ok(found)
    }

    /// Ends all processes, and removes what outlives them.
    pub(super) fn remove(folder: &Path) -> anyhow::Result<()> {
        let Some(namespace) = Self::recorded(folder)? else {
            return Ok(());
        };
        // The kernel ends the others before the first one is gone, and their mounts and interfaces with them.
        namespace.init.end("-KILL")?;
        cgroups::remove(&namespace.cgroup())
    }

    /// The process of a program inside.
    pub(super) fn process(&self, program: &str) -> anyhow::Result<Process> {
        Process::named(program, self.init.id)
    }

    /// A command inside.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &self.init.id.to_string(),
                "--net",
                "--mount",
                "--pid",
                "--",
            ])
            .arg(program);
        command
    }

    /// This machine's address, as the cluster sees it.
    pub(super) fn host_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 1)
    }

    /// The node's address, as this machine sees it.
    pub(super) fn node_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 2)
    }

    /// The cgroup of all its pods, below the root of the hierarchy.
    pub(super) fn cgroup(&self) -> String {
        format!("aws-secrets-e2e-{}", self.number)
    }

    fn interface(&self) -> String {
        format!("asi-e2e-{}", self.number)
    }

    fn record(&self, folder: &Path) -> anyhow::Result<()> {
        let record = serde_json::json!({"init": self.init.id, "started": self.init.started, "number": self.number});
        fs::write(folder.join(RECORD), record.to_string()).context("could not record the namespace")
    }

    fn recorded(folder: &Path) -> anyhow::Result<Option<Self>> {
        let Ok(text) = fs::read_to_string(folder.join(RECORD)) else {
            return Ok(None);
        };
        let record: serde_json::Value = serde_json::from_str(&text).context(RECORD)?;
        let number = |field: &str| {
            record[field]
                .as_u64()
                .with_context(|| format!("{RECORD}: {field}"))
        };
        Ok(Some(Self {
            init: Process {
                id: u32::try_from(number("init")?)?,
                started: record["started"].as_str().unwrap_or_default().to_owned(),
            },
            number: u8::try_from(number("number")?)?,
        }))
    }

    /// The first number whose interface nobody has: clusters side by side get networks of their own.
    fn connect(mut self) -> anyhow::Result<Self> {
        let init = self.init.id.to_string();
        for number in 0..=250 {
            self.number = number;
            let name = self.interface();
            let mut add = Command::new("ip");
            add.args([
                "link", "add", &name, "type", "veth", "peer", "name", "eth0", "netns", &init,
            ]);
            match run(&mut add) {
                Ok(_) => break,
                Err(error) if number == 250 => return Err(error.context("no free network")),
                Err(_) => {}
            }
        }
        let name = self.interface();
        let (host, node) = (
            format!("{}/30", self.host_address()),
            format!("{}/30", self.node_address()),
        );
        run(Command::new("ip").args(["address", "add", &host, "dev", &name]))?;
        run(Command::new("ip").args(["link", "set", &name, "up"]))?;
        let gateway = self.host_address().to_string();
        for arguments in [
            &["link", "set", "lo", "up"][..],
            &["address", "add", &node, "dev", "eth0"],
            &["link", "set", "eth0", "up"],
            &["route", "add", "default", "via", &gateway],
        ] {
            run(self.command("ip").args(arguments))?;
        }
        Ok(self)
    }

    /// Folders that the programs insist on, as this cluster's own.
    fn mount(&self) -> anyhow::Result<()> {
        // kubelet and the CNI plugins write there, and their paths cannot be set.
        for path in ["/run", "/var/log", "/var/lib/cni"] {
            fs::create_dir_all(path).with_context(|| format!("could not create {path}"))?;
            run(self.command("mount").args(["-t", "tmpfs", "tmpfs", path]))?;
        }
        Ok(())
    }
}

/// The only child of a process, as soon as there is one.
fn first_child(parent: u32) -> anyhow::Result<u32> {
    let file = format!("/proc/{parent}/task/{parent}/children");
    for _ in 0..200 {
        let children = fs::read_to_string(&file).unwrap_or_default();
        if let Some(child) = children.split_whitespace().next() {
            return Ok(child.parse()?);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("unshare did not start: namespaces need root and the capability SYS_ADMIN")
}
