//! The API server over HTTPS, for programs that run as processes.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::ApiServer;
use crate::answer::status;

/// The token that is accepted.
pub const TOKEN: &str = "token-of-the-pod";

/// An API server that listens.
pub struct Https {
    /// Where.
    pub address: SocketAddr,
    /// The certificate to trust, in PEM.
    pub ca: String,
    server: ApiServer,
}

impl Deref for Https {
    type Target = ApiServer;

    fn deref(&self) -> &ApiServer {
        &self.server
    }
}

impl Https {
    /// Starts one on this address, with a certificate for it.
    ///
    /// # Errors
    ///
    /// When this machine does not have the address.
    pub async fn start(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let names = [address.to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let server = ApiServer::default();
        let this = Self {
            address: listener.local_addr()?,
            ca: cert.pem(),
            server: server.clone(),
        };
        tokio::spawn(serve(server, listener, TlsAcceptor::from(Arc::new(config))));
        Ok(this)
    }

    /// How many requests could change something.
    pub fn writes(&self) -> usize {
        let asked = self.asked().into_iter();
        asked
            .filter(|asked| !asked.ends_with("&dryRun=All"))
            .count()
    }
}

async fn serve(server: ApiServer, listener: TcpListener, acceptor: TlsAcceptor) {
    let service = TowerToHyperService::new(server.router().layer(from_fn(authenticated)));
    while let Ok((stream, _)) = listener.accept().await {
        let (service, acceptor) = (service.clone(), acceptor.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let connection = http1::Builder::new();
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn authenticated(request: Request, next: Next) -> Response {
    if has_token(&request) {
        next.run(request).await
    } else {
        status(StatusCode::UNAUTHORIZED, "Unauthorized", &[])
    }
}

fn has_token(request: &Request) -> bool {
    let header = |name: &str| request.headers().get(name).unwrap();
    assert_eq!(header("content-type"), "application/apply-patch+yaml");
    header("authorization") == format!("Bearer {TOKEN}").as_str()
}
