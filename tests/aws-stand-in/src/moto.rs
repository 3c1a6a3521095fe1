//! Runs moto, which implements AWS services.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};

use crate::process::ends_with_this;
use crate::python::Package;

/// The pinned release.
pub const VERSION: &str = "5.2.5";

/// A running moto server. It stops when this is dropped.
#[derive(Debug)]
pub struct Moto {
    /// Its address.
    pub address: SocketAddr,
    _process: Child,
}

/// The server's script, installed in the build folder if needed.
pub async fn install(target: &Path) -> anyhow::Result<PathBuf> {
    let package = Package {
        name: "moto",
        version: VERSION,
        // Those of the server, and of Parameter Store. The extra `server` has what all of AWS's services need.
        with: &["flask", "flask-cors", "PyYAML"],
    };
    Ok(package.install(target).await?.join("moto_server"))
}

impl Moto {
    /// Starts a server on a free port of the loopback address.
    pub async fn start(target: &Path) -> anyhow::Result<Self> {
        let server = install(target).await?;
        let python = server.with_file_name("python3");
        let address = free_address()?;
        let mut process = Command::from(ends_with_this(&python))
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
                bail!("moto exited at startup: {status}");
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

fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}
