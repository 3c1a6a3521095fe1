//! Installs moto into a folder of its own, once, and runs it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// The release that tests are written against.
pub const VERSION: &str = "5.2.5";

/// A running moto server; it ends with this value.
#[derive(Debug)]
pub struct Moto {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Child,
}

/// The folder with moto, below the build's own: installs it where that has not been done yet.
pub async fn install(target: &Path) -> anyhow::Result<PathBuf> {
    // Tests of one process all want it at the same moment.
    static INSTALLING: Mutex<()> = Mutex::const_new(());
    let _installing = INSTALLING.lock().await;
    let folder = target.join("moto").join(VERSION);
    let server = folder.join("bin/moto_server");
    if server.exists() {
        return Ok(server);
    }
    let unfinished = target
        .join("moto")
        .join(format!("{VERSION}.{}", std::process::id()));
    let done = install_into(&unfinished).await;
    if let Err(error) = done {
        let _ = std::fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    // Its scripts name their interpreter by its path, so they are run by that interpreter and not by their name.
    if std::fs::rename(&unfinished, &folder).is_err() {
        // Another process was faster.
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    Ok(server)
}

async fn install_into(folder: &Path) -> anyhow::Result<()> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder)).await?;
    let python = folder.join("bin/python3");
    let package = format!("moto[server]=={VERSION}");
    run(Command::new(python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &package,
    ]))
    .await
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("could not run {:?}", command.as_std()))?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{:?} failed: {log}",
        command.as_std()
    );
    Ok(())
}

impl Moto {
    /// Starts a server on a free port of the loopback address.
    pub async fn start(target: &Path) -> anyhow::Result<Self> {
        let server = install(target).await?;
        let python = server.with_file_name("python3");
        let address = free_address()?;
        let mut process = ends_with_this(&python)
            .arg(server)
            .args([
                "-H",
                &address.ip().to_string(),
                "-p",
                &address.port().to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("could not start moto")?;
        for _ in 0..600 {
            if let Some(status) = process.try_wait()? {
                bail!("moto ended at once: {status}");
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(Self {
                    address,
                    _process: process,
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("moto did not listen on {address} within 30 s")
    }
}

/// A program that the kernel ends when this process ends, however that comes about. Where there is no `setpriv` it ends in
/// the usual case alone, when its [`Moto`] does.
fn ends_with_this(program: &Path) -> Command {
    let has_setpriv = std::process::Command::new("setpriv")
        .arg("--version")
        .output()
        .is_ok();
    if !has_setpriv {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}
