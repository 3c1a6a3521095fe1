//! The plain HTTP server for the kubelet's probes and for Prometheus. None of what it says is secret.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::{self, Metrics};
use crate::readiness::Readiness;
use crate::stores::Stores;

/// `/healthz`: the process answers. `/readyz`: it can answer reviews, or why not. `/metrics`: for Prometheus.
pub fn router(stores: Stores, readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> Router {
    let readyz = {
        let readiness = Arc::clone(&readiness);
        move || {
            let answer = match readiness.check() {
                Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
                Err(missing) => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("not ready: {missing}\n"),
                ),
            };
            async { answer }
        }
    };
    let metrics = move || {
        let is_ready = readiness.check().is_ok();
        let text = metrics.render(&stores.states(), &readiness.certificates(), is_ready);
        async { ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response() }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// Serves for as long as the program runs.
pub async fn serve(listener: TcpListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!("probes and metrics are served no more: {error}");
    }
}
