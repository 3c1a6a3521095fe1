//! TLS in front of the stand-in, with a network delay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Network delay of AWS. The loopback interface has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distance {
    /// Delay of the server's part of the handshake: TLS 1.3 has one round trip.
    pub handshake: Duration,
    /// Delay of each answer.
    pub call: Duration,
}

/// A TLS server for the stand-in. It stops when this is dropped.
#[derive(Debug)]
pub struct Front {
    /// Its endpoint, for `AWS_ENDPOINT_URL`.
    pub url: String,
    /// The certificate to trust, as PEM, for `AWS_CA_BUNDLE`.
    pub authority: String,
    connections: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl Front {
    /// Number of completed handshakes.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Handles a connection after its handshake.
pub(crate) trait Serve: Clone + Send + 'static {
    /// Answers its requests, each with this delay.
    fn serve(
        self,
        stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
        later: Duration,
    ) -> impl Future<Output = ()> + Send;
}

/// Starts a front on a free port of the loopback address.
pub(crate) async fn start(distance: Distance, behind: impl Serve) -> anyhow::Result<Front> {
    let (acceptor, authority) = acceptor()?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .context("no free port")?;
    let url = format!("https://localhost:{}", listener.local_addr()?.port());
    let connections = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&connections);
    let server = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                tokio::time::sleep(distance.handshake).await;
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                counter.fetch_add(1, Ordering::Relaxed);
                behind.serve(stream, distance.call).await;
            });
        }
    });
    Ok(Front {
        url,
        authority,
        connections,
        server,
    })
}

/// Creates a self-signed certificate.
fn acceptor() -> anyhow::Result<(TlsAcceptor, String)> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), cert.pem()))
}
