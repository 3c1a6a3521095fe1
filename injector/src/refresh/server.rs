//! Serves the metrics over plain HTTP.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::metrics::Metrics;

/// A scrape takes milliseconds; whoever is slower gives the connection back.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A pause after a connection that could not be taken, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens. A port that is taken costs the metrics and not the refreshes.
pub(super) async fn start(address: SocketAddr, metrics: Arc<Metrics>) {
    match listen(address).await {
        Ok(listener) => {
            if let Ok(address) = listener.local_addr() {
                tracing::info!("metrics on http://{address}/metrics");
            }
            tokio::spawn(serve(listener, metrics));
        }
        Err(error) => {
            tracing::warn!(
                "no metrics: could not listen on {address}: {error}; choose another port"
            );
        }
    }
}

/// `[::]` is all addresses, IPv4's too; a machine without IPv6 has those alone.
async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED => {
            let without_ipv6 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await;
            without_ipv6.map_err(|_| error)
        }
        bound => bound,
    }
}

async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(tokio::time::timeout(
                TIMEOUT,
                answer(stream, Arc::clone(&metrics)),
            ))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn answer(stream: TcpStream, metrics: Arc<Metrics>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = match request.uri().path() {
            "/metrics" => page(StatusCode::OK, metrics.text()),
            _ => page(StatusCode::NOT_FOUND, "see /metrics\n".to_owned()),
        };
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("metrics: {error}");
    }
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, kind);
    answer
}
