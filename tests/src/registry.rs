//! A container registry on this machine, which keeps everything in memory.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::go;

const MODULE: &str = "github.com/google/go-containerregistry";
/// How long it may take to start.
const START: Duration = Duration::from_secs(20);

/// A running registry. It stops when dropped.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    /// Where it listens, without TLS.
    pub address: SocketAddr,
}

impl Registry {
    /// Starts one on a free port.
    pub fn start() -> anyhow::Result<Self> {
        let program = go::tool(MODULE, "cmd/registry")?;
        let free = TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?;
        drop(free);
        let process = Command::new(program)
            .args(["-port", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("could not run the registry")?;
        let mut registry = Self { process, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = registry.process.try_wait()? {
                bail!("the registry ended ({status})");
            }
            if start.elapsed() > START {
                bail!("the registry does not listen on {address}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
