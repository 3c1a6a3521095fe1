//! Opens connections: directly or through a proxy, with or without TLS, on demand or ahead of it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use hyper::Uri;
use hyper::http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower_service::Service;

use super::names::Names;

/// How long an unused connection is trusted to be open still.
const LASTS: Duration = Duration::from_secs(5);

/// Opens connections; clones share those that were opened ahead.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    direct: HttpsConnector<HttpConnector<Names>>,
    tls: Arc<ClientConfig>,
    proxies: Arc<Matcher>,
    timeout: Duration,
    ahead: Arc<Mutex<Vec<Ahead>>>,
}

/// Opens TCP connections, for TLS or without.
fn tcp<R>(resolver: R, timeout: Duration) -> HttpConnector<R> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.set_nodelay(true);
    // The next layer does TLS.
    tcp.enforce_http(false);
    // All addresses of a server share it, so that one that does not respond leaves time for the others, and for TLS. An
    // endpoint in a VPC has an address in each zone.
    tcp.set_connect_timeout(Some(timeout * 3 / 5));
    tcp
}

/// A connection that was opened before it was needed.
#[derive(Debug)]
struct Ahead {
    server: Uri,
    opening: JoinHandle<Result<(Stream, Instant), BoxError>>,
}

impl Connections {
    pub(super) fn new(tls: Arc<ClientConfig>, proxies: Matcher, timeout: Duration) -> Self {
        let tcp = tcp(Names::new(GaiResolver::new()), timeout);
        Self {
            direct: HttpsConnector::from((tcp, Arc::clone(&tls))),
            tls,
            proxies: Arc::new(proxies),
            timeout,
            ahead: Arc::default(),
        }
    }

    /// The proxy for a server, if it has one.
    pub(super) fn proxy(&self, server: &Uri) -> Option<Intercept> {
        self.proxies.intercept(server)
    }

    /// Starts to open connections to a server. A failure that no request is waiting for is dropped: the one that needs the
    /// connection opens another.
    pub(super) fn open_ahead(&self, server: &Uri, count: usize) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.extend((0..count).map(|_| {
            let (connections, server) = (self.clone(), server.clone());
            let to = server.clone();
            let opening =
                tokio::spawn(async move { Ok((connections.open(to).await?, Instant::now())) });
            Ahead { server, opening }
        }));
    }

    /// A connection that was opened ahead, or a new one.
    async fn get(self, server: Uri) -> Result<Stream, BoxError> {
        while let Some(opening) = self.take_ahead(&server) {
            let is_waited_for = !opening.is_finished();
            match opening.await {
                Ok(Ok((stream, since))) if since.elapsed() < LASTS => return Ok(stream),
                // It failed just now, and used up the time of this one.
                Ok(Err(error)) if is_waited_for => return Err(error),
                _ => {}
            }
        }
        self.open(server).await
    }

    fn take_ahead(&self, server: &Uri) -> Option<JoinHandle<Result<(Stream, Instant), BoxError>>> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let index = ahead.iter().position(|ahead| {
            ahead.server.scheme() == server.scheme()
                && ahead.server.authority() == server.authority()
        })?;
        Some(ahead.remove(index).opening)
    }

    async fn open(&self, server: Uri) -> Result<Stream, BoxError> {
        tokio::time::timeout(self.timeout, self.open_in_any_time(server)).await?
    }

    async fn open_in_any_time(&self, server: Uri) -> Result<Stream, BoxError> {
        let mut direct = self.direct.clone();
        let (io, is_forwarded) = match self.proxy(&server) {
            None => (MaybeHttpsStream::Http(direct.call(server).await?), false),
            Some(proxy) if server.scheme() == Some(&Scheme::HTTP) => {
                let hop = direct.call(proxy.uri().clone()).await?;
                (MaybeHttpsStream::Http(hop), true)
            }
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
                if let Some(password) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(password.clone());
                }
                let mut through = HttpsConnector::from((tunnel, Arc::clone(&self.tls)));
                (through.call(server).await?, false)
            }
        };
        Ok(Stream {
            io: Box::new(io),
            is_forwarded,
        })
    }
}

impl Service<Uri> for Connections {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        Box::pin(self.clone().get(server))
    }
}

/// A connection to a server or a proxy.
type Hop = MaybeHttpsStream<TokioIo<TcpStream>>;

/// An open connection: a hop, or TLS to the server through a hop to a proxy that cannot read it.
#[derive(Debug)]
pub(super) struct Stream {
    io: Box<MaybeHttpsStream<Hop>>,
    /// Does it end at a proxy that reads requests and forwards them?
    is_forwarded: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.is_forwarded)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::net::{Ipv4Addr, SocketAddr};

    use hyper_util::client::legacy::connect::dns::Name;
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// Has these addresses for every name.
    #[derive(Clone)]
    struct Addresses(Vec<SocketAddr>);

    impl Service<Name> for Addresses {
        type Response = std::vec::IntoIter<SocketAddr>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            ready(Ok(self.0.clone().into_iter()))
        }
    }

    /// In a zone that is away, packets get no response at all. So it is with a server whose queue is full.
    #[tokio::test]
    async fn an_address_that_does_not_respond_leaves_time_for_the_next() {
        let away = TcpSocket::new_v4().unwrap();
        away.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into()).unwrap();
        let away = away.listen(0).unwrap();
        let queued = TcpStream::connect(away.local_addr().unwrap()).await;
        let near = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addresses = [&away, &near].map(|listener| listener.local_addr().unwrap());
        assert!(queued.is_ok());

        let whole = Duration::from_secs(2);
        let mut tcp = tcp(Addresses(addresses.to_vec()), whole);
        let connect = tcp.call(Uri::from_static("http://sts.example"));
        let connected = tokio::time::timeout(whole, connect).await;
        let stream = connected.expect("the next address has its turn").unwrap();
        assert_eq!(stream.inner().peer_addr().unwrap(), addresses[1]);
    }
}
