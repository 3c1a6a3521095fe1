//! A certificate that was parsed from PEM.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use pem::{EncodeConfig, LineEnding, Pem, encode_config};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

/// The clocks of API server and replicas differ, so a certificate is valid from this long before it is issued.
pub const BACKDATED: Duration = Duration::from_hours(1);

/// The form of PEM texts.
const LF: EncodeConfig = EncodeConfig::new().set_line_ending(LineEnding::LF);

/// The validity period of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The start: [`BACKDATED`] before it was issued.
    pub not_before: SystemTime,
    /// The end.
    pub not_after: SystemTime,
}

impl Validity {
    /// When to renew it: after two thirds of its lifetime, without the backdated part.
    pub fn due_at(&self) -> SystemTime {
        let life = self.not_after.duration_since(self.made_at());
        self.not_after - life.unwrap_or_default() / 3
    }

    /// When it was issued.
    fn made_at(&self) -> SystemTime {
        let made_at = self.not_before + BACKDATED;
        // What this crate makes is longer than the backdating; what another tool made may be shorter.
        if made_at < self.not_after {
            made_at
        } else {
            self.not_before
        }
    }

    /// Whether it is valid now.
    pub fn contains(&self, now: SystemTime) -> bool {
        (self.not_before..self.not_after).contains(&now)
    }

    /// Whether it is over by no clock that differs by at most this much.
    pub(crate) fn may_last(&self, now: SystemTime, slack: Duration) -> bool {
        now < self.not_after + slack
    }
}

/// A parsed certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As PEM, with a newline at its end.
    pub pem: String,
    /// As DER.
    pub der: CertificateDer<'static>,
    /// Its validity period.
    pub validity: Validity,
    /// The subject's common name; empty where it has none.
    pub common_name: String,
    /// The raw public key.
    pub public_key: Vec<u8>,
    /// Is it a CA's? One without extensions, of X.509's first version, may be.
    pub is_authority: bool,
}

impl Certificate {
    /// The first certificate of a PEM text; the error is the parser's own text.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| error.to_string())?
            .into_owned();
        Self::from_der(der)
    }

    /// All certificates of a PEM text; an error if there is none, or one that cannot be read.
    pub fn all_from_pem(pem: &str) -> Result<Vec<Self>, String> {
        let all: Result<Vec<_>, _> = Self::each_from_pem(pem).collect();
        match all {
            Ok(all) if all.is_empty() => Err("contains no certificate".to_owned()),
            all => all,
        }
    }

    /// The certificates of a PEM text that can be read.
    pub fn readable_from_pem(pem: &str) -> Vec<Self> {
        Self::each_from_pem(pem).filter_map(Result::ok).collect()
    }

    /// Each certificate of a PEM text, or the parser's own text about it.
    pub fn each_from_pem(pem: &str) -> impl Iterator<Item = Result<Self, String>> {
        CertificateDer::pem_slice_iter(pem.as_bytes()).map(|der| {
            der.map_err(|error| error.to_string())
                .and_then(|der| Self::from_der(der.into_owned()))
        })
    }

    fn from_der(der: CertificateDer<'static>) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
        let common_name = parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .unwrap_or_default()
            .to_owned();
        let time = |seconds: i64| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
        };
        Ok(Self {
            pem: encode_config(&Pem::new("CERTIFICATE", der.to_vec()), LF),
            validity: Validity {
                not_before: time(parsed.validity().not_before.timestamp()),
                not_after: time(parsed.validity().not_after.timestamp()),
            },
            common_name,
            is_authority: match parsed.basic_constraints() {
                Ok(Some(constraints)) => constraints.value.ca,
                Ok(None) => parsed.version() == X509Version::V1,
                Err(_) => false,
            },
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
            der,
        })
    }

    /// The one that expires first, first.
    pub(crate) fn by_expiry(&self, other: &Self) -> Ordering {
        let expiry = self.validity.not_after.cmp(&other.validity.not_after);
        expiry.then_with(|| self.pem.cmp(&other.pem))
    }
}
