//! Runs moto, which implements AWS services.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::Full;
use hyper::Request;

use crate::http;
use crate::process::ends_with_this;
use crate::python::Package;
use crate::state::lock;

/// The pinned release.
pub const VERSION: &str = "5.2.5";

/// Servers that nobody uses. Starting one takes longer than most tests, so the next stand-in of this process takes it.
static IDLE: Mutex<Vec<Server>> = Mutex::new(Vec::new());

/// A moto server without data.
#[derive(Debug)]
pub struct Moto {
    /// Its address.
    pub address: SocketAddr,
    server: Option<Server>,
}

/// A process of moto's. It stops when this is dropped, and with this process.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    process: Child,
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
    /// Takes an idle server, or starts one on a free port of the loopback address.
    pub async fn start(target: &Path) -> anyhow::Result<Self> {
        // The lock is not held while a server is asked.
        let idle = || lock(&IDLE).pop();
        while let Some(server) = idle() {
            let reset = Request::post("/moto-api/reset").header("host", "moto");
            let answer = http::send(server.address, reset.body(Full::default())?).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(Self::from(server));
            }
        }
        Server::start(target).await.map(Self::from)
    }
}

impl From<Server> for Moto {
    fn from(server: Server) -> Self {
        Self {
            address: server.address,
            server: Some(server),
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        lock(&IDLE).extend(self.server.take());
    }
}

impl Server {
    async fn start(target: &Path) -> anyhow::Result<Self> {
        let script = install(target).await?;
        let python = script.with_file_name("python3");
        let address = free_address()?;
        let mut command = ends_with_this(&python);
        command
            .arg(script)
            .args(["-H", &address.ip().to_string()])
            .args(["-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = spawn(command).context("could not start moto")?;
        let mut server = Self { address, process };
        for _ in 0..600 {
            if let Some(status) = server.process.try_wait()? {
                bail!("moto exited at startup: {status}");
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("moto did not listen on {address} within 30 s")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts it from a thread that never ends: the kernel ends it with its thread, and that of a test ends with the test.
fn spawn(mut command: Command) -> anyhow::Result<Child> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = tell.send(command.spawn());
        loop {
            std::thread::park();
        }
    });
    Ok(told.recv()??)
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}
