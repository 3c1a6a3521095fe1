//! Serves the metrics over plain HTTP, and the kubelet's liveness probe. Whoever reaches the port can open connections, so none of
//! them makes another one wait: accepting goes on, and the oldest connection makes room for a new one.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
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
    let mut open: VecDeque<AbortHandle> = VecDeque::with_capacity(MOST_CONNECTIONS);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() == MOST_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let answered = tokio::time::timeout(TIMEOUT, answer(stream, Arc::clone(&metrics)));
        open.push_back(tokio::spawn(answered).abort_handle());
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
