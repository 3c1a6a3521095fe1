//! Baselines for the webhook, with the same server, TLS and sockets. One returns the request body, the other parses the pod
//! and admits it unchanged.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::routing::post;
use axum::{Json, Router};
use k8s_openapi::api::core::v1::Pod;
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    certificate: PathBuf,
    #[arg(long)]
    key: PathBuf,
}

/// Path of the echo server.
pub(crate) const PATH: &str = "/echo";

/// Path of the parse-only server.
pub(crate) const READ: &str = "/read";

async fn read(body: Bytes) -> Result<Json<AdmissionReview<DynamicObject>>, String> {
    let review: AdmissionReview<Pod> =
        serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let request: AdmissionRequest<Pod> = review.try_into().map_err(|_| "no request".to_owned())?;
    Ok(Json(AdmissionResponse::from(&request).into_review()))
}

/// Serves until the process is killed.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&args.certificate)?],
            PrivateKeyDer::from_pem_file(&args.key)?,
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let router = Router::new()
        .route(PATH, post(|body: Bytes| async move { body }))
        .route(READ, post(read));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        aws_secrets_webhook::server::serve_tls(
            listener,
            acceptor,
            router,
            aws_secrets_webhook::server::REVIEWS,
            std::future::pending(),
            Duration::ZERO,
        )
        .await;
        Ok(())
    })
}
