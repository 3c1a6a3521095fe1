//! Which CA certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::HttpError;
use super::error::CaError;
use crate::environment::Environment;

/// TLS 1.2 and 1.3, with the system's CA certificates and those of the environment.
pub(super) fn config(environment: Option<&Environment>) -> Result<Arc<ClientConfig>, HttpError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = environment.and_then(|environment| environment.ca_bundle.as_ref()) {
        add_file(&mut roots, path).map_err(HttpError::CaFile)?;
    }
    if let Some(pem) = environment.and_then(|environment| environment.ca_certificates.as_ref()) {
        add(&mut roots, pem.as_bytes(), "its value".to_owned()).map_err(HttpError::CaBundle)?;
    }
    if roots.is_empty() {
        tracing::warn!("no CA certificates: the image, AWS_CA_BUNDLE and CA_BUNDLE contain none");
    }
    with_roots(roots)
}

/// The same with the CA certificates of a file only.
pub(super) fn only(ca_file: &Path) -> Result<Arc<ClientConfig>, HttpError> {
    let mut roots = RootCertStore::empty();
    add_file(&mut roots, ca_file).map_err(HttpError::ClusterCa)?;
    with_roots(roots)
}

fn with_roots(roots: RootCertStore) -> Result<Arc<ClientConfig>, HttpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), CaError> {
    let pem = std::fs::read(path).map_err(|error| CaError::Read {
        path: path.to_owned(),
        error,
    })?;
    add(roots, &pem, path.display().to_string())
}

fn add(roots: &mut RootCertStore, pem: &[u8], source_name: String) -> Result<(), CaError> {
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        found += 1;
        let bad = |reason: String| CaError::BadCertificate {
            source_name: source_name.clone(),
            number: found,
            reason,
        };
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
    }
    if found == 0 {
        return Err(CaError::NoCertificate(source_name));
    }
    Ok(())
}
