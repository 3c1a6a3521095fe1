//! A certificate with its private key: a CA or a serving certificate.

use std::fmt;
use std::sync::Arc;

use rcgen::KeyPair;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::certificate::Certificate;

/// Why a certificate and a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A file, or a key of the Secret's data, is not text.
    #[error("{0} is not text")]
    NotText(&'static str),
    /// Not a PEM certificate or key.
    #[error("{field} cannot be read: {reason}")]
    Unreadable {
        /// Which file, or which key of the Secret's data.
        field: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// The private key belongs to another certificate.
    #[error("{key} does not match {certificate}")]
    KeyMismatch {
        /// Where the certificate is.
        certificate: &'static str,
        /// Where the key is.
        key: &'static str,
    },
    /// A CA's private key in the Secret belongs to another certificate.
    #[error("{0} has a key that does not match its certificate")]
    OtherKey(&'static str),
}

impl Unusable {
    pub(crate) fn unreadable(field: &'static str, reason: &impl ToString) -> Self {
        Self::Unreadable {
            field,
            reason: reason.to_string(),
        }
    }
}

/// A CA. An API server trusts what it signs if its certificate is in the `caBundle`.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate.
    pub certificate: Certificate,
    key: String,
}

impl Authority {
    /// Parses a PEM text with a certificate and its key. `field` is the name of the text in errors.
    pub fn from_pem(field: &'static str, pem: &str) -> Result<Self, Unusable> {
        let certificate =
            Certificate::from_pem(pem).map_err(|reason| Unusable::unreadable(field, &reason))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| Unusable::unreadable(field, &error))?;
        let key = KeyPair::try_from(&key).map_err(|error| Unusable::unreadable(field, &error))?;
        if key.public_key_raw() != certificate.public_key {
            return Err(Unusable::OtherKey(field));
        }
        Ok(Self {
            certificate,
            key: key.serialize_pem(),
        })
    }

    /// Its private key, PEM.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Omits the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("validity", &self.certificate.validity)
            .finish_non_exhaustive()
    }
}

/// A serving certificate with its chain, ready for rustls.
#[derive(Clone)]
pub struct Serving {
    /// Its certificate.
    pub certificate: Certificate,
    chain: String,
    key: String,
    certified: Arc<CertifiedKey>,
}

impl Serving {
    /// Parses the PEM texts of `tls.crt` (with the serving certificate first) and `tls.key`.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, Unusable> {
        let certificate = Certificate::from_pem(chain)
            .map_err(|reason| Unusable::unreadable(CERTIFICATE, &reason))?;
        let ders: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        let ders = ders.map_err(|error| Unusable::unreadable(CERTIFICATE, &error))?;
        let parsed = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| Unusable::unreadable(KEY, &error))?;
        let provider = rustls::crypto::ring::default_provider();
        match CertifiedKey::from_der(ders, parsed, &provider) {
            Ok(certified) => Ok(Self {
                certificate,
                chain: chain.to_owned(),
                key: key.to_owned(),
                certified: Arc::new(certified),
            }),
            Err(rustls::Error::InconsistentKeys(_)) => Err(Unusable::KeyMismatch {
                certificate: CERTIFICATE,
                key: KEY,
            }),
            Err(error) => Err(Unusable::unreadable(KEY, &error)),
        }
    }

    /// For rustls.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// The certificates, PEM.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The private key, PEM.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Serving {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key == other.key
    }
}

impl Eq for Serving {}

/// Omits the key.
impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("validity", &self.certificate.validity)
            .finish_non_exhaustive()
    }
}

/// The file of the serving certificate, and its key in a Secret of type `kubernetes.io/tls`.
pub const CERTIFICATE: &str = "tls.crt";
/// The same for its private key.
pub const KEY: &str = "tls.key";
