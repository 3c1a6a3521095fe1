//! The namespaces of an engine (network, mounts, processes, IPC), and the pair of interfaces that connects them to the
//! machine's network.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::cgroups;
use crate::command::{run, start};
use crate::process::Process;

/// File in the engine's folder with its processes and interface.
const RECORD: &str = "namespace.json";

/// The start of the interfaces' names.
const INTERFACE: &str = "asi-e2e-";

/// The machine's kernel modules, which kind mounts into nodes.
const MODULES: &str = "/lib/modules";

/// The namespaces, identified by their first process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    /// The first process. When it exits, the kernel kills all others.
    init: Process,
    /// Number of the network and the interfaces.
    number: u8,
    /// Whether Docker creates the folder for kernel modules, because the machine has none.
    makes_modules: bool,
}

/// The lifetime of the namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until they are stopped.
    OfItsOwn,
    /// As long as the thread that creates them, however it ends.
    OfThisThread,
}

impl Namespace {
    pub(super) fn create(folder: &Path, life: Life) -> anyhow::Result<Self> {
        // The first process of a PID namespace must reap all others. A waiting shell does.
        let idle = "while :; do sleep 3600 & wait $!; done";
        let mut unshare = match life {
            Life::OfItsOwn => Command::new("unshare"),
            Life::OfThisThread => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL", "--", "unshare"]);
                command
            }
        };
        unshare.args([
            "--net",
            "--mount",
            "--pid",
            "--ipc",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
        ]);
        let process = start(unshare.args(["sh", "-c", idle]), &folder.join("init.log"))?;
        let init = Process::of(first_child(process.id())?)
            .context("the namespace's first process exited at startup")?;
        let namespace = Self {
            init,
            number: 0,
            makes_modules: !Path::new(MODULES).exists(),
        };
        namespace.record(folder)?;
        namespace.connect().and_then(|namespace| {
            namespace.record(folder)?;
            namespace.mount()?;
            Ok(namespace)
        })
    }

    /// The namespace of a running engine.
    pub(super) fn find(folder: &Path) -> anyhow::Result<Self> {
        let found = Self::recorded(folder)?.context("no engine was started")?;
        ensure!(found.init.is_alive(), "the engine is not running");
        Ok(found)
    }

    /// Stops all processes and removes what outlives them.
    pub(super) fn remove(folder: &Path) -> anyhow::Result<()> {
        let Some(namespace) = Self::recorded(folder)? else {
            return Ok(());
        };
        // The kernel kills the other processes before the first one is gone, and removes their mounts and interfaces.
        namespace.init.end("-KILL")?;
        if namespace.makes_modules && !another_is_running() {
            // This works only if it is empty.
            let _ = fs::remove_dir(MODULES);
        }
        cgroups::remove(&namespace.cgroup())?;
        fs::remove_file(folder.join(RECORD)).context(RECORD)
    }

    /// The process that stops everything when it exits.
    pub(super) fn first_process(&self) -> &Process {
        &self.init
    }

    /// A path inside the namespaces as seen from this machine.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init.id))
    }

    /// A command that runs inside.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &self.init.id.to_string(),
                "--net",
                "--mount",
                "--pid",
                "--ipc",
                "--",
            ])
            .arg(program);
        command
    }

    /// This machine's address as seen from inside.
    pub(super) fn host_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 1)
    }

    /// The engine's address as seen from this machine.
    pub(super) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 2)
    }

    /// The cgroup of all its containers, relative to the root of the hierarchy. The number is not in its name: when this engine
    /// was killed, another one may have it.
    pub(super) fn cgroup(&self) -> String {
        format!("aws-secrets-e2e-{}-{}", self.init.id, self.init.started)
    }

    fn interface(&self) -> String {
        format!("{INTERFACE}{}", self.number)
    }

    fn record(&self, folder: &Path) -> anyhow::Result<()> {
        let record = serde_json::json!({
            "init": self.init.id,
            "started": self.init.started,
            "number": self.number,
            "makes_modules": self.makes_modules,
        });
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
            makes_modules: record["makes_modules"].as_bool().unwrap_or_default(),
        }))
    }

    /// The first number without an interface, so that each engine gets its own network.
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
            format!("{}/30", self.address()),
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

    /// Mounts a separate /run for the sockets and PID files of its programs.
    fn mount(&self) -> anyhow::Result<()> {
        let run_folder = ["-t", "tmpfs", "tmpfs", "/run"];
        run(self.command("mount").args(run_folder)).map(drop)
    }
}

/// The only child of a process. Waits until there is one.
fn first_child(parent: u32) -> anyhow::Result<u32> {
    let file = format!("/proc/{parent}/task/{parent}/children");
    for _ in 0..200 {
        let children = fs::read_to_string(&file).unwrap_or_default();
        if let Some(child) = children.split_whitespace().next() {
            return Ok(child.parse()?);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("unshare did not start: creating namespaces requires root and CAP_SYS_ADMIN")
}

/// Whether another engine has an interface. Its node also mounts [`MODULES`].
fn another_is_running() -> bool {
    let interfaces = fs::read_dir("/sys/class/net").into_iter().flatten();
    interfaces
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with(INTERFACE))
}
