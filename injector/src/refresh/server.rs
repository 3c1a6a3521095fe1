//! Serves the metrics over plain HTTP, and the kubelet's liveness probe. Whoever reaches the port can open connections, so none of
//! them makes another one wait: accepting goes on, and the oldest connection makes room for a new one.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use provider_class::{listen, refresh::PROBE_PATH};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::metrics::{self, Metrics};

/// A scrape takes milliseconds. A slower connection is closed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at a time: the sidecar has little memory.
const MOST_CONNECTIONS: usize = 16;
/// Those of one address: a neighbour that opens many closes only its own.
const MOST_OF_ONE: usize = 4;
/// Bytes of a request's head; a scrape has a few hundred.
const LONGEST_HEAD: usize = 16 * 1024;
/// A pause after a connection that could not be accepted, for example because no file descriptor is left.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens. If the port is in use, there are no metrics, but refreshes go on.
pub(super) async fn start(address: SocketAddr, metrics: Arc<Metrics>) {
    match TcpListener::bind(&listen::addresses(address)[..]).await {
        Ok(listener) => {
            if let Ok(address) = listener.local_addr() {
                tracing::info!("serving metrics on http://{address}/metrics");
            }
            tokio::spawn(serve(listener, metrics));
        }
        Err(error) => {
            tracing::warn!(
                "no metrics: could not listen on {address}: {error}; choose another port, because the kubelet restarts a sidecar that does not answer on it"
            );
        }
    }
}

async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    // Each carries one request, so the oldest one is the slowest.
    let mut open: VecDeque<(IpAddr, AbortHandle)> = VecDeque::with_capacity(MOST_CONNECTIONS);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let peer = peer.ip().to_canonical();
        open.retain(|(_, connection)| !connection.is_finished());
        let mut of_peer = open.iter().filter(|(other, _)| *other == peer);
        let oldest = if of_peer.nth(MOST_OF_ONE - 1).is_some() {
            open.iter().position(|(other, _)| *other == peer)
        } else {
            (open.len() == MOST_CONNECTIONS).then_some(0)
        };
        if let Some((_, oldest)) = oldest.and_then(|oldest| open.remove(oldest)) {
            oldest.abort();
        }
        let answered = tokio::time::timeout(TIMEOUT, answer(stream, Arc::clone(&metrics)));
        open.push_back((peer, tokio::spawn(answered).abort_handle()));
        // It is answered before the next one comes: its request is here already, most likely.
        tokio::task::yield_now().await;
    }
}

async fn answer(stream: TcpStream, metrics: Arc<Metrics>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = match request.uri().path() {
            "/metrics" => page(StatusCode::OK, metrics::CONTENT_TYPE, metrics.render()),
            PROBE_PATH => page(StatusCode::OK, "text/plain", "ok\n".to_owned()),
            _ => page(
                StatusCode::NOT_FOUND,
                "text/plain",
                "see /metrics\n".to_owned(),
            ),
        };
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("metrics: {error}");
    }
}

fn page(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}
