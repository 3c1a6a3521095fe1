//! The two parts of a PEM file with certificates and their private key.
//!
//! The Secrets Store CSI Driver takes the same parts, but writes an RSA key as PKCS #1 and an elliptic one as SEC 1, and refuses
//! Ed25519. Here a key stays in its form.
//!
//! Source: `GetCertPart` of <https://pkg.go.dev/sigs.k8s.io/secrets-store-csi-driver/pkg/util/secretutil>.

use pem::{EncodeConfig, LineEnding, Pem};
use zeroize::Zeroizing;

const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// The first byte of a PKCS #12 file, and of any other file in DER.
const SEQUENCE: u8 = 0x30;

/// Why a file has no such part. Never a part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Binary.
    #[error(
        "is not PEM but binary, e.g. PKCS #12: store it as PEM (openssl pkcs12 -in FILE -nodes)"
    )]
    Binary,
    /// Neither.
    #[error("is not PEM: it must have lines such as -----BEGIN CERTIFICATE-----")]
    NotPem,
    /// Only a key.
    #[error("has no certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// Only certificates.
    #[error("has no private key (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// Servers would not know which one to take.
    #[error("has several private keys: keep the one of the first certificate")]
    SeveralKeys,
    /// Nobody could use it without its password.
    #[error("has an encrypted private key: store it decrypted (openssl pkey -in FILE)")]
    Encrypted,
}

/// All certificates of a file, in their order.
pub(super) fn certificates(file: &[u8]) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let mut text = Zeroizing::new(Vec::new());
    for section in sections(file)? {
        if section.tag() == CERTIFICATE {
            text.extend_from_slice(encoded(&section).as_bytes());
        }
    }
    if text.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(text)
}

/// The private key of a file.
pub(super) fn private_key(file: &[u8]) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let mut key = None;
    for section in sections(file)? {
        if !section.tag().ends_with(PRIVATE_KEY) {
            continue;
        }
        // The old form has the encryption in its headers.
        if section.tag() == ENCRYPTED || section.headers().get("DEK-Info").is_some() {
            return Err(TlsError::Encrypted);
        }
        let text = Zeroizing::new(encoded(&section).as_bytes().to_vec());
        if key.replace(text).is_some() {
            return Err(TlsError::SeveralKeys);
        }
    }
    key.ok_or(TlsError::NoKey)
}

fn sections(file: &[u8]) -> Result<Vec<Pem>, TlsError> {
    match pem::parse_many(file) {
        Ok(sections) if !sections.is_empty() => Ok(sections),
        _ if file.first() == Some(&SEQUENCE) => Err(TlsError::Binary),
        _ => Err(TlsError::NotPem),
    }
}

fn encoded(section: &Pem) -> Zeroizing<String> {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    Zeroizing::new(pem::encode_config(section, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(tag: &str, text: &str) -> String {
        format!("-----BEGIN {tag}-----\n{text}\n-----END {tag}-----\n")
    }

    fn text(part: Result<Zeroizing<Vec<u8>>, TlsError>) -> Result<String, TlsError> {
        part.map(|part| String::from_utf8(part.to_vec()).unwrap())
    }

    #[test]
    fn a_file_is_split_into_certificates_and_key_in_any_order() {
        let [one, other] = ["b25l", "b3RoZXI="].map(|body| section("CERTIFICATE", body));
        for tag in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let key = section(tag, "a2V5");
            let parameters = section("EC PARAMETERS", "BggqhkjOPQMBBw==");
            for file in [
                format!("{key}{one}{other}"),
                format!("Bag Attributes\n    friendlyName: web\n{one}{parameters}{key}{other}"),
                format!("{one}{other}{key}").replace('\n', "\r\n"),
            ] {
                assert_eq!(
                    text(certificates(file.as_bytes())).unwrap(),
                    format!("{one}{other}")
                );
                assert_eq!(text(private_key(file.as_bytes())).unwrap(), key, "as it is");
            }
        }
    }

    #[test]
    fn a_file_without_the_part_is_told_what_it_lacks() {
        let certificate = section("CERTIFICATE", "b25l");
        let key = section("PRIVATE KEY", "a2V5");
        for (file, error) in [
            (certificate.clone(), TlsError::NoKey),
            (format!("{key}{key}"), TlsError::SeveralKeys),
            (
                section("ENCRYPTED PRIVATE KEY", "a2V5"),
                TlsError::Encrypted,
            ),
            (String::new(), TlsError::NotPem),
            ("secret".to_owned(), TlsError::NotPem),
            ("0\u{82}".to_owned(), TlsError::Binary),
        ] {
            assert_eq!(private_key(file.as_bytes()), Err(error), "{file}");
        }
        assert_eq!(certificates(key.as_bytes()), Err(TlsError::NoCertificate));
    }
}
