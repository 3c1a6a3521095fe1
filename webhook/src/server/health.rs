//! The plain HTTP server for the kubelet's probes and for Prometheus. Nothing in it is secret.

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::cluster::ApiServers;
use crate::cluster::stores::Stores;
use crate::panics::contained;
use crate::server::connections::Limits;
use crate::server::metrics::{self, Metrics};
use crate::server::readiness::Readiness;
use crate::server::serve::Server;

/// The kubelet opens a connection for each probe, Prometheus keeps one. An answer takes no time, so a new connection always finds
/// one that has nothing to do, most likely of its own address, and takes its place.
const LIMITS: Limits = Limits {
    api_servers: 0,
    others: 128,
    of_one: 16,
    grace: Duration::ZERO,
    reading: Duration::from_secs(10),
};

/// `/healthz`: the process answers. `/readyz`: it can answer reviews, or why not. `/metrics`: for Prometheus.
pub(crate) fn router(stores: Stores, readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> Router {
    let probed = Arc::clone(&readiness);
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || ready(readyz(&probed))))
        .route(
            "/metrics",
            get(move || ready(scrape(&stores, &readiness, &metrics))),
        )
}

fn readyz(readiness: &Readiness) -> (StatusCode, String) {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(missing) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {missing}\n"),
        ),
    }
}

fn scrape(stores: &Stores, readiness: &Readiness, metrics: &Metrics) -> Response {
    let is_ready = readiness.check().is_ok();
    let text = metrics.render(&stores.states(), &readiness.certificates(), is_ready);
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// Serves while the program runs, on its own thread: the kubelet gets its answer however busy the others are.
///
/// # Errors
/// The system has no thread left.
pub(crate) fn start(listener: TcpListener, router: Router) -> io::Result<()> {
    let listener = listener.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("health".to_owned())
        .spawn(move || run(&runtime, listener, router))
        .map(drop)
}

fn run(runtime: &Runtime, listener: std::net::TcpListener, router: Router) -> ! {
    let served = runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let probes = Server {
            tls: None,
            router,
            limits: LIMITS,
            api_servers: ApiServers::default(),
        };
        let forever = probes.serve(listener, pending(), Duration::ZERO);
        Ok::<_, io::Error>(contained(forever).await)
    });
    tracing::error!("health and metrics server stopped: {served:?}");
    // The kubelet would restart the container anyway, but later, and blindly until then.
    std::process::abort();
}
