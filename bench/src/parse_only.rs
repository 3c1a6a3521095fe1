//! The floor of the webhook: a server that parses a pod into the same types, as any webhook must, and admits it unchanged.

use std::net::TcpListener;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_rustls::TlsAcceptor;

use crate::http::Server;

/// Starts it in threads of its own.
pub(crate) fn start() -> anyhow::Result<Server> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?.to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    std::thread::spawn(move || runtime.block_on(serve(listener, acceptor)));
    Server::new(&address, "localhost", cert.pem().as_bytes())
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let stream = TokioIo::new(acceptor.accept(stream).await?);
            let connection = http1::Builder::new().serve_connection(stream, service_fn(answer));
            anyhow::Ok(connection.await?)
        });
    }
}

async fn answer(request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let review: AdmissionReview<Pod> = serde_json::from_slice(&body)?;
    let request: AdmissionRequest<Pod> = review.try_into()?;
    let review = AdmissionResponse::from(&request).into_review();
    Ok(Response::new(serde_json::to_vec(&review)?.into()))
}
