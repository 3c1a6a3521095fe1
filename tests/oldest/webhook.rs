//! The webhook in this process, behind its Service.
//!
//! A cluster without nodes has no network of Services. The API server is told to reach them through an HTTP CONNECT proxy, which
//! is here, and which forwards every connection to the webhook. The manifests stay as users apply them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use aws_secrets_webhook::{Args, Webhook};
use clap::Parser as _;
use e2e::Kubectl;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Runtime;

/// The longest head of a CONNECT request.
const LONGEST_HEAD: usize = 4096;

/// The proxy. It refuses all connections until a webhook serves.
pub(crate) struct Service {
    runtime: Runtime,
    folder: TempDir,
    webhook: Arc<OnceLock<SocketAddr>>,
}

impl Service {
    /// Starts the proxy.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let service = Self {
            runtime: Runtime::new()?,
            folder: TempDir::new()?,
            webhook: Arc::default(),
        };
        let _inside = service.runtime.enter();
        let listener = UnixListener::bind(service.socket())?;
        let webhook = Arc::clone(&service.webhook);
        service.runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let webhook = webhook.get().copied();
                // A connection that breaks concerns only the API server, which then reports it.
                tokio::spawn(async move { connect(connection, webhook).await.ok() });
            }
        });
        Ok(service)
    }

    /// The proxy's Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("proxy")
    }

    /// Starts a webhook as the program does, with the permissions of kubectl's user, and forwards connections to it.
    pub(crate) fn serve(&self, arguments: &[&str], kubectl: &Kubectl) -> anyhow::Result<()> {
        let args = Args::try_parse_from([&["webhook"], arguments].concat())?;
        let address = self.runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let health = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            // A client works only in the runtime in which it was made.
            let webhook = Webhook::new(&args, kubectl.client().await?);
            tokio::spawn(webhook.serve(listener, health, std::future::pending()));
            anyhow::Ok(address)
        })?;
        self.webhook.get_or_init(|| address);
        Ok(())
    }
}

/// Answers a CONNECT request, and forwards its connection.
async fn connect(mut client: UnixStream, webhook: Option<SocketAddr>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        head.push(client.read_u8().await?);
    }
    let Some(webhook) = webhook else {
        return client.write_all(b"HTTP/1.1 503 No Webhook\r\n\r\n").await;
    };
    let mut server = TcpStream::connect(webhook).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
