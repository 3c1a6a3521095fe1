//! The HTTP server for reviews, over TLS.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use certs::Resolver;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::server::answers::Unsent;
use crate::server::connections::Limits;
use crate::server::connections::{Connections, Place, Placement};

/// A client has this long for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection may be idle for this long. The API server closes its own idle connections after 90 seconds (the default of
/// Go's HTTP client): closed by it, no review can be on its way.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// Bytes that a connection reads ahead, a request's head among them.
const READ_AHEAD: usize = 32 * 1024;

/// A connection that was told to close has this long to say so to its client.
const FAREWELL: Duration = Duration::from_secs(1);

/// The connections of the API server: of each of them at most 25 are idle, and as many are busy as it asks reviews at once.
/// Several may share an address.
pub const REVIEWS: Limits = Limits {
    all: 1024,
    of_one: 768,
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

/// What a connection reaches.
#[derive(Clone)]
struct Endpoint {
    tls: TlsAcceptor,
    router: Router,
}

/// Serves over TLS until `end` comes. Then connections stay open for half of `drain`, for the one request that each may bring
/// yet: an idle one that is closed may be the one on which the API server sends its next pod at that moment, and does not send
/// it again. Every answer closes its connection meanwhile, so those in use come to their end by themselves. What is left is
/// closed, and open requests may finish in the other half.
pub async fn serve_tls(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    limits: Limits,
    end: impl Future<Output = ()>,
    drain: Duration,
) {
    let endpoint = Endpoint {
        tls: acceptor,
        router,
    };
    let connections = Connections::new(limits);
    accept(&listener, &endpoint, &connections, end).await;
    drop(listener);
    let half = drain / 2;
    if tokio::time::timeout(half, connections.empty())
        .await
        .is_ok()
    {
        return;
    }
    if tokio::time::timeout(half, connections.end()).await.is_err() {
        tracing::warn!("some requests were still open after {drain:?}");
    }
}

/// Takes connections, and starts a task for each, until `end` comes.
async fn accept(
    listener: &TcpListener,
    endpoint: &Endpoint,
    connections: &Connections,
    end: impl Future<Output = ()>,
) {
    let mut end = pin!(end);
    loop {
        let next = async {
            let (stream, peer) = listener.accept().await?;
            Ok((find_place(connections, peer).await, stream, peer))
        };
        let next: io::Result<_> = tokio::select! {
            next = next => next,
            () = &mut end => return,
        };
        match next {
            Ok((Some(place), stream, peer)) => {
                tokio::spawn(endpoint.clone().connection(stream, peer, place));
            }
            // Dropped, it is closed.
            Ok((None, ..)) => {}
            Err(error) => {
                // Out of file descriptors, most likely: some must be given back first.
                tracing::warn!("could not accept a connection: {error}");
                connections.make_room();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A place for a connection; none if its client already uses all of its share.
async fn find_place(connections: &Connections, peer: SocketAddr) -> Option<Place> {
    loop {
        match connections.admit(peer.ip().to_canonical()) {
            Placement::Admitted(place) => return Some(place),
            Placement::Refused => {
                tracing::debug!(%peer, "refused a connection: too many from this client");
                return None;
            }
            Placement::Wait => connections.changed().await,
        }
    }
}

impl Endpoint {
    async fn connection(self, stream: TcpStream, peer: SocketAddr, place: Place) {
        let stream = tokio::select! {
            stream = handshake(self.tls, stream, peer) => stream,
            () = place.closing() => None,
        };
        if let Some(stream) = stream {
            converse(stream, peer, place, self.router).await;
        }
    }
}

/// Answers the requests of a connection until it ends, or is to be closed and has none in work.
async fn converse<S>(stream: S, peer: SocketAddr, place: Place, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let unread = Arc::new(Notify::new());
    let service = service_fn(|request: Request<Incoming>| {
        let work = place.work();
        let answer = router.call(request);
        let (unread, reading) = (Arc::clone(&unread), place.reading());
        async move {
            let Ok(mut response): Result<Response, Infallible> = answer.await;
            if let Some(unsent) = response.extensions_mut().remove::<Unsent>() {
                tokio::spawn(async move {
                    if tokio::time::timeout(reading, unsent.sent()).await.is_err() {
                        unread.notify_one();
                    }
                    drop(work);
                });
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = unread.notified() => {
            tracing::warn!(%peer, "closed a connection whose client does not read its answer");
            Ok(())
        }
        () = place.closing() => {
            connection.as_mut().graceful_shutdown();
            // A request that has come meanwhile is answered still.
            loop {
                match tokio::time::timeout(FAREWELL, connection.as_mut()).await {
                    Ok(ended) => break ended,
                    Err(_) if place.is_busy() => {}
                    Err(_) => break Ok(()),
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, "connection ended: {error}");
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
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
