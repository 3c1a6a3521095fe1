//! Sends the same AdmissionReview repeatedly, on several connections.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::statistics::Sample;

/// A server under load.
#[derive(Clone)]
pub(crate) struct Server {
    /// Its process ID.
    pub(crate) pid: u32,
    address: SocketAddr,
    name: String,
    path: &'static str,
    connector: TlsConnector,
}

/// The result of a load.
pub(crate) struct Load {
    pub(crate) latencies: Sample,
    pub(crate) answers: usize,
    pub(crate) bytes: usize,
}

/// A TLS client that trusts these CAs.
pub(crate) fn connector(roots: rustls::RootCertStore) -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Server {
    /// A server with a certificate for this name from this CA.
    pub(crate) fn new(
        pid: u32,
        address: SocketAddr,
        name: &str,
        path: &'static str,
        authority: &[u8],
    ) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority)?)?;
        Ok(Self {
            pid,
            address,
            name: name.to_owned(),
            path,
            connector: connector(roots)?,
        })
    }

    /// The same server with another path.
    pub(crate) fn at(&self, path: &'static str) -> Self {
        Self {
            path,
            ..self.clone()
        }
    }

    /// Like [`Server::new`], with the CA in a file.
    pub(crate) fn trusting(
        pid: u32,
        address: SocketAddr,
        name: &str,
        path: &'static str,
        file: &Path,
    ) -> anyhow::Result<Self> {
        Self::new(pid, address, name, path, &std::fs::read(file)?)
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.name.clone())?;
        let stream = self.connector.connect(name, stream).await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Sends a request and returns the answer, whatever its status.
    async fn send(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        body: &Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::post(self.path)
            .header("host", &self.name)
            .header("content-type", "application/json")
            .body(Full::new(body.clone()))?;
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Sends a request and returns the answer.
    async fn ask(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        body: &Bytes,
    ) -> anyhow::Result<Bytes> {
        let (status, answer) = self.send(sender, body).await?;
        ensure!(status.is_success(), "status {status}");
        Ok(answer)
    }

    /// How long each of some requests takes, one after another. They may be refused.
    pub(crate) async fn times(&self, body: &Bytes, rounds: usize) -> anyhow::Result<Sample> {
        let mut sender = self.connect().await?;
        // The first request is not counted: its connection is new.
        self.send(&mut sender, body).await?;
        let mut times = Vec::new();
        for _ in 0..rounds {
            let started = Instant::now();
            self.send(&mut sender, body).await?;
            times.push(started.elapsed());
        }
        Ok(times.into_iter().collect())
    }

    /// Waits until the answer contains the wanted text.
    pub(crate) async fn wait(&self, body: &Bytes, wanted: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let answer = async { self.ask(&mut self.connect().await?, body).await }.await;
            let said = match answer {
                Ok(answer) if contains(&answer, wanted) => return Ok(()),
                Ok(answer) => String::from_utf8_lossy(&answer).into_owned(),
                Err(error) => format!("{error:#}"),
            };
            ensure!(
                started.elapsed() < Duration::from_mins(1),
                "the answer does not contain {wanted:?}: {said}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends requests for this duration.
    pub(crate) async fn load(
        &self,
        body: &Bytes,
        connections: usize,
        duration: Duration,
    ) -> anyhow::Result<Load> {
        let mut senders = Vec::new();
        for _ in 0..connections {
            senders.push(self.connect().await?);
        }
        let end = Instant::now() + duration;
        let tasks: Vec<_> = senders
            .into_iter()
            .map(|mut sender| {
                let (server, body) = (self.clone(), body.clone());
                tokio::spawn(async move {
                    let (mut latencies, mut bytes) = (Vec::new(), 0);
                    while Instant::now() < end {
                        let started = Instant::now();
                        bytes = server.ask(&mut sender, &body).await?.len();
                        latencies.push(started.elapsed());
                    }
                    anyhow::Ok((latencies, bytes))
                })
            })
            .collect();
        let (mut latencies, mut bytes) = (Vec::new(), 0);
        for task in tasks {
            let (more, size) = task.await.context("a connection failed")??;
            latencies.extend(more);
            bytes = size;
        }
        Ok(Load {
            answers: latencies.len(),
            latencies: latencies.into_iter().collect(),
            bytes,
        })
    }

    /// CPU time so far from `/proc/PID/stat`, with a resolution of 10 ms.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (_, rest) = stat.rsplit_once(") ").context("no name")?;
        let fields: Vec<u64> = rest
            .split(' ')
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(Duration::from_millis(10 * fields.iter().sum::<u64>()))
    }

    /// Current resident memory from `/proc/PID/status`, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes: u64 = line
            .context("no VmRSS")?
            .trim()
            .trim_end_matches(" kB")
            .parse()?;
        Ok(kibibytes * 1024)
    }
}

fn contains(bytes: &[u8], wanted: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(wanted)
}

impl Load {
    /// Merges the results of several turns.
    pub(crate) fn all(turns: Vec<Self>) -> Self {
        let answers = turns.iter().map(|turn| turn.answers).sum();
        let bytes = turns.first().map_or(0, |turn| turn.bytes);
        let latencies = turns.into_iter().flat_map(|turn| turn.latencies).collect();
        Self {
            latencies,
            answers,
            bytes,
        }
    }
}
