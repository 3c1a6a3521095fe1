//! An HTTP server, over TLS or in plain text: accepts connections, and ends them in order.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use certs::Resolver;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::cluster::ApiServers;
use crate::server::connections::{Connection, Connections, Limits};

/// A client has this long for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection may be idle for this long. The API server closes its own idle connections after 90 seconds (the default of
/// Go's HTTP client): closed by it, no review can be on its way. Prometheus comes back within a minute.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// Bytes that a connection reads ahead, a request's head among them.
const READ_AHEAD: usize = 16 * 1024;

/// A connection that was told to close has this long for the request that is on its way: as long as any request has.
const FAREWELL: Duration = Duration::from_secs(40);

/// An API server has at most some hundred reviews in work at once, and keeps at most 25 connections without work. All connections
/// together, those for probes among them, are fewer than the 1,024 files that a process may have where nobody raised that.
pub const REVIEWS: Limits = Limits {
    api_servers: 640,
    others: 192,
    of_one: usize::MAX,
    grace: Duration::from_secs(1),
    reading: Duration::from_secs(10),
};

/// rustls settings: TLS 1.2 and 1.3, with the certificate that the resolver serves.
pub fn tls_acceptor(resolver: Arc<Resolver>) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A server.
#[derive(Clone)]
pub struct Server {
    /// TLS, or plain text.
    pub tls: Option<TlsAcceptor>,
    /// What answers requests.
    pub router: Router,
    /// How many connections may be open.
    pub limits: Limits,
    /// Whose connections have places of their own.
    pub api_servers: ApiServers,
}

impl Server {
    /// Serves until `end` comes. Then connections stay open for half of `drain`, for the one request that each may bring
    /// yet: an idle one that is closed may be the one on which the API server sends its next pod at that moment, and does not
    /// send it again. Every answer closes its connection meanwhile, so those in use come to their end by themselves. What is
    /// left is closed, and open requests may finish in the other half.
    pub async fn serve(
        self,
        listener: TcpListener,
        end: impl Future<Output = ()>,
        drain: Duration,
    ) {
        let connections = Connections::new(self.limits, self.api_servers.clone());
        let mut tasks = JoinSet::new();
        let mut end = pin!(end);
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    self.accepted(accepted, &connections, &mut tasks).await;
                }
                Some(_) = tasks.join_next() => {}
                () = &mut end => break,
            }
        }
        drop(listener);
        let half = drain / 2;
        let ended = async |tasks: &mut JoinSet<()>| while tasks.join_next().await.is_some() {};
        if tokio::time::timeout(half, ended(&mut tasks)).await.is_ok() {
            return;
        }
        connections.end();
        if tokio::time::timeout(half, ended(&mut tasks)).await.is_err() {
            tracing::warn!("some requests were still open after {drain:?}");
        }
    }

    /// Starts a task for a connection, if there is a place.
    async fn accepted(
        &self,
        accepted: io::Result<(TcpStream, std::net::SocketAddr)>,
        connections: &Connections,
        tasks: &mut JoinSet<()>,
    ) {
        match accepted {
            Ok((stream, peer)) => {
                let peer = peer.ip().to_canonical();
                // Dropped, it is closed.
                let Some(connection) = connections.admit(peer) else {
                    tracing::debug!(%peer, "refused a connection: too many have work");
                    return;
                };
                tasks.spawn(self.clone().converse(stream, connection));
                // It is answered before the next one comes: its request is here already, most likely.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                // Out of file descriptors, most likely: some must be given back first.
                tracing::warn!("could not accept a connection: {error}");
                connections.make_room();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn converse(self, stream: TcpStream, connection: Arc<Connection>) {
        let Some(tls) = &self.tls else {
            return self.answer(stream, &connection).await;
        };
        let stream = tokio::select! {
            stream = handshake(tls, stream, connection.peer) => stream,
            () = connection.closing() => None,
        };
        if let Some(stream) = stream {
            self.answer(stream, &connection).await;
        }
    }

    /// Answers the requests of a connection until it ends, or is to be closed and has none in work.
    async fn answer<S>(self, stream: S, place: &Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = place.peer;
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(place.work());
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT)
            .max_buf_size(READ_AHEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = place.is_not_read(self.limits.reading) => {
                tracing::warn!(%peer, "closed a connection whose client does not read its answer");
                Ok(())
            }
            // Who sent no request waits for nothing. One that has come meanwhile is answered still.
            () = place.closing() => {
                connection.as_mut().graceful_shutdown();
                let farewell = if place.is_used() { FAREWELL } else { Duration::ZERO };
                tokio::time::timeout(farewell, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, "connection ended: {error}");
        }
    }
}

async fn handshake(
    tls: &TlsAcceptor,
    stream: TcpStream,
    peer: IpAddr,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            // Worth seeing: an API server with an old caBundle says "bad certificate" here.
            tracing::warn!(%peer, "TLS handshake failed: {error}");
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "TLS handshake timed out");
            None
        }
    }
}
