//! The HTTP client that all services share: rustls on ring, the system's certificate authorities and the ones of
//! `AWS_CA_BUNDLE`, and the proxy variables.

use std::path::{Path, PathBuf};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file of `AWS_CA_BUNDLE` cannot be read.
    #[error("environment variable AWS_CA_BUNDLE: {}: {error}", .path.display())]
    CaBundle {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It can, but is no list of certificates.
    #[error("environment variable AWS_CA_BUNDLE: {}: holds no PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The TLS library refuses its settings.
    #[error("TLS: {0}")]
    Tls(String),
}

/// A client with a connection pool of its own.
pub fn http_client(ca_bundle: Option<&Path>) -> Result<SharedHttpClient, HttpError> {
    let context = tls_context(ca_bundle)?;
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder()
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone());
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.build()
    });
    Ok(client)
}

fn tls_context(ca_bundle: Option<&Path>) -> Result<TlsContext, HttpError> {
    let mut trusted = TrustStore::default();
    if let Some(path) = ca_bundle {
        let pem = std::fs::read(path).map_err(|error| HttpError::CaBundle {
            path: path.to_owned(),
            error,
        })?;
        if !pem.windows(PEM_MARK.len()).any(|window| window == PEM_MARK) {
            return Err(HttpError::NoCertificate(path.to_owned()));
        }
        trusted = trusted.with_pem_certificate(pem);
    }
    TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| HttpError::Tls(error.to_string()))
}

const PEM_MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";
