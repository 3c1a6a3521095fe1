//! Authority and serving certificate, as the Secret holds them: read, and verified before anything trusts them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

/// An authority and a serving certificate, all PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The authority's certificate: the `caBundle`.
    pub ca_certificate: String,
    /// Its private key.
    pub ca_key: String,
    /// The serving certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// Shows no key.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("ca_certificate", &self.ca_certificate)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// Why the Secret's content cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A key of the Secret's data is missing or not text.
    #[error("{0} is missing or not text")]
    Missing(&'static str),
    /// Not a PEM certificate or key.
    #[error("{field} cannot be read: {reason}")]
    Unreadable {
        /// Which key of the Secret's data.
        field: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// The private key belongs to another certificate.
    #[error("tls.key does not belong to tls.crt")]
    KeyMismatch,
    /// The authority's private key belongs to another certificate: what it signs would not be trusted.
    #[error("ca.key does not belong to ca.crt")]
    AuthorityKeyMismatch,
    /// The authority did not sign the serving certificate.
    #[error("tls.crt is not signed by ca.crt")]
    OtherAuthority,
}

const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// What matters of a certificate's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
}

/// What an [`Identity`]'s certificates say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The authority's time.
    pub authority: Validity,
    /// The serving certificate's time.
    pub serving: Validity,
    /// The serving certificate's DNS names.
    pub names: Vec<String>,
}

impl Identity {
    /// From a Secret's data.
    pub fn from_data(data: &BTreeMap<String, ByteString>) -> Result<Self, Unusable> {
        let text = |field: &'static str| {
            let bytes = data
                .get(field)
                .map(|bytes| bytes.0.clone())
                .unwrap_or_default();
            String::from_utf8(bytes)
                .ok()
                .filter(|text| !text.is_empty())
                .ok_or(Unusable::Missing(field))
        };
        Ok(Self {
            ca_certificate: text(CA_CERTIFICATE)?,
            ca_key: text(CA_KEY)?,
            certificate: text(CERTIFICATE)?,
            key: text(KEY)?,
        })
    }

    /// For a Secret's data.
    pub fn to_data(&self) -> BTreeMap<String, ByteString> {
        let fields = [
            (CA_CERTIFICATE, &self.ca_certificate),
            (CA_KEY, &self.ca_key),
            (CERTIFICATE, &self.certificate),
            (KEY, &self.key),
        ];
        fields
            .into_iter()
            .map(|(field, text)| (field.to_owned(), ByteString(text.clone().into_bytes())))
            .collect()
    }

    /// Reads the certificates, and verifies that they and the keys belong together.
    pub fn verify(&self) -> Result<Facts, Unusable> {
        let ca_der = certificate(CA_CERTIFICATE, &self.ca_certificate)?;
        let der = certificate(CERTIFICATE, &self.certificate)?;
        let authority = parse(CA_CERTIFICATE, &ca_der)?;
        let serving = parse(CERTIFICATE, &der)?;
        serving
            .verify_signature(Some(authority.public_key()))
            .map_err(|_| Unusable::OtherAuthority)?;
        let ca_key =
            rcgen::KeyPair::from_pem(&self.ca_key).map_err(|error| unreadable(CA_KEY, &error))?;
        if ca_key.public_key_raw() != authority.public_key().subject_public_key.data.as_ref() {
            return Err(Unusable::AuthorityKeyMismatch);
        }
        self.certified_key()?;
        Ok(Facts {
            authority: validity(&authority),
            serving: validity(&serving),
            names: dns_names(&serving),
        })
    }

    /// For rustls.
    pub fn certified_key(&self) -> Result<Arc<CertifiedKey>, Unusable> {
        let chain = vec![certificate(CERTIFICATE, &self.certificate)?];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|error| unreadable(KEY, &error))?;
        let provider = rustls::crypto::ring::default_provider();
        match CertifiedKey::from_der(chain, key, &provider) {
            Ok(key) => Ok(Arc::new(key)),
            Err(rustls::Error::InconsistentKeys(_)) => Err(Unusable::KeyMismatch),
            Err(error) => Err(unreadable(KEY, &error)),
        }
    }
}

fn unreadable(field: &'static str, reason: &impl ToString) -> Unusable {
    Unusable::Unreadable {
        field,
        reason: reason.to_string(),
    }
}

fn certificate(field: &'static str, pem: &str) -> Result<CertificateDer<'static>, Unusable> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| unreadable(field, &error))
}

fn parse<'a>(
    field: &'static str,
    der: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, Unusable> {
    X509Certificate::from_der(der)
        .map(|(_, parsed)| parsed)
        .map_err(|error| unreadable(field, &error))
}

fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let time = |seconds: i64| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    };
    let validity = certificate.validity();
    Validity {
        not_before: time(validity.not_before.timestamp()),
        not_after: time(validity.not_after.timestamp()),
    }
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.extensions().iter().filter_map(|extension| {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        }
    });
    let dns = names.flatten().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    dns.collect()
}
