//! New certificates: ECDSA P-256, an authority that signs, and a serving certificate for DNS names.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;

use crate::Identity;

/// How long certificates hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// The authority.
    pub authority: Duration,
    /// The serving certificate.
    pub serving: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            authority: DAY * 3650,
            serving: DAY * 90,
        }
    }
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The cryptography refused, or a name is not a DNS name.
    #[error("could not make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Clocks of API server and webhook differ: a certificate holds from a little before it is made, at most this.
const BACKDATED: Duration = Duration::from_hours(1);

/// A new authority and a serving certificate that it signed.
pub fn issue_all(
    names: &[String],
    now: SystemTime,
    lifetimes: Lifetimes,
) -> Result<Identity, IssueError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{} CA", common_name(names)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    set_validity(&mut params, now, lifetimes.authority);
    let authority = params.self_signed(&key)?.pem();
    sign(&authority, &key.serialize_pem(), names, now, lifetimes)
}

/// A new serving certificate of the same authority.
pub fn issue_serving(
    current: &Identity,
    names: &[String],
    now: SystemTime,
    lifetimes: Lifetimes,
) -> Result<Identity, IssueError> {
    sign(
        &current.ca_certificate,
        &current.ca_key,
        names,
        now,
        lifetimes,
    )
}

fn sign(
    ca_certificate: &str,
    ca_key: &str,
    names: &[String],
    now: SystemTime,
    lifetimes: Lifetimes,
) -> Result<Identity, IssueError> {
    let issuer = Issuer::from_ca_cert_pem(ca_certificate, KeyPair::from_pem(ca_key)?)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name(names));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, lifetimes.serving);
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok(Identity {
        ca_certificate: ca_certificate.to_owned(),
        ca_key: ca_key.to_owned(),
        certificate,
        key: key.serialize_pem(),
    })
}

/// X.509 allows 64 characters in a common name; who verifies looks at the DNS names anyway.
fn common_name(names: &[String]) -> String {
    names
        .first()
        .map_or("webhook", String::as_str)
        .chars()
        .take(60)
        .collect()
}

fn set_validity(params: &mut CertificateParams, now: SystemTime, lifetime: Duration) {
    // A tenth at most, or a short life would be over by its larger part at once, and renewed without end.
    params.not_before = OffsetDateTime::from(now - BACKDATED.min(lifetime / 10));
    params.not_after = OffsetDateTime::from(now + lifetime);
}
