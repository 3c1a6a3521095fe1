//! Issues certificates: a CA, and a serving certificate for DNS names. The keys are ECDSA P-256.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;

use crate::certificate::BACKDATED;
use crate::pair::{Authority, Serving, Unusable};

/// Validity periods of certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of the CA.
    pub authority: Duration,
    /// Of the serving certificate. It never exceeds what is left of the CA's.
    pub serving: Duration,
}

impl Lifetimes {
    /// The minimum: X.509 counts in seconds, and the rotation of a CA takes a tenth of its lifetime.
    pub const SHORTEST: Duration = Duration::from_secs(20);
}

/// Why a certificate could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The cryptography refused, or a name is not a DNS name.
    #[error("could not issue a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The issued certificate cannot be parsed.
    #[error("could not issue a certificate: {0}")]
    Unusable(#[from] Unusable),
}

/// Issues a CA.
pub fn issue_authority(
    names: &[String],
    now: SystemTime,
    lifetime: Duration,
) -> Result<Authority, IssueError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, authority_name(names));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    set_validity(&mut params, now, now + lifetime);
    let certificate = params.self_signed(&key)?.pem();
    Ok(Authority::from_pem(
        "CA",
        &(certificate + &key.serialize_pem()),
    )?)
}

/// Issues a serving certificate that does not outlive the CA that signs it.
pub fn issue_serving(
    authority: &Authority,
    names: &[String],
    now: SystemTime,
    lifetime: Duration,
) -> Result<Serving, IssueError> {
    let signing_key = KeyPair::from_pem(authority.key())?;
    let issuer = Issuer::from_ca_cert_der(&authority.certificate.der, signing_key)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name(names));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, serving_end(authority, now, lifetime));
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok(Serving::from_pem(&certificate, &key.serialize_pem())?)
}

/// When a serving certificate issued now would expire.
pub(crate) fn serving_end(
    authority: &Authority,
    now: SystemTime,
    lifetime: Duration,
) -> SystemTime {
    authority.certificate.validity.not_after.min(now + lifetime)
}

/// The common name of CAs for these DNS names. It identifies them in a `caBundle`.
pub(crate) fn authority_name(names: &[String]) -> String {
    format!("{} CA", common_name(names))
}

/// X.509 allows 64 characters in a common name. Clients verify the DNS names instead.
fn common_name(names: &[String]) -> String {
    names
        .first()
        .map_or("webhook", String::as_str)
        .chars()
        .take(60)
        .collect()
}

fn set_validity(params: &mut CertificateParams, now: SystemTime, end: SystemTime) {
    params.not_before = OffsetDateTime::from(now - BACKDATED);
    params.not_after = OffsetDateTime::from(end);
}
