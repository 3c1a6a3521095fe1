//! CA certificates for the injected containers, which trust them besides those of their image.

use std::str::FromStr;
use std::time::SystemTime;

use certs::certificate::Certificate;

/// The longest text: it becomes an environment variable of each injected container.
const MOST_BYTES: usize = 32 * 1024;

/// CA certificates that an injector accepts.
#[derive(Clone, Debug)]
pub(crate) struct CaBundle(Vec<Certificate>);

/// Why a text is not a CA bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCaBundle {
    /// It does not fit.
    #[error("has {0} bytes, more than {MOST_BYTES}: use only the CAs that the image does not have")]
    TooLong(usize),
    /// It has a secret in it.
    #[error("contains a private key: remove it, each pod gets this text")]
    PrivateKey,
    /// It has no certificate.
    #[error("contains no PEM certificate")]
    Empty,
    /// One of the certificates is broken.
    #[error("certificate {number} cannot be read: {reason}")]
    Unreadable {
        /// Which one, from 1.
        number: usize,
        /// The parser's own text.
        reason: String,
    },
    /// One of the certificates is a server's.
    #[error(
        "certificate {number} ({name:?}) is not a CA certificate: use the one of the CA that signed it"
    )]
    NotAuthority {
        /// Which one, from 1.
        number: usize,
        /// Its common name.
        name: String,
    },
}

impl FromStr for CaBundle {
    type Err = InvalidCaBundle;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MOST_BYTES {
            return Err(InvalidCaBundle::TooLong(text.len()));
        }
        if text.contains("PRIVATE KEY") {
            return Err(InvalidCaBundle::PrivateKey);
        }
        let mut all = Vec::new();
        for (index, certificate) in Certificate::each_from_pem(text).enumerate() {
            let number = index + 1;
            let certificate =
                certificate.map_err(|reason| InvalidCaBundle::Unreadable { number, reason })?;
            if !certificate.is_authority {
                let name = certificate.common_name;
                return Err(InvalidCaBundle::NotAuthority { number, name });
            }
            all.push(certificate);
        }
        if all.is_empty() {
            return Err(InvalidCaBundle::Empty);
        }
        Ok(Self(all))
    }
}

impl CaBundle {
    /// The certificates as PEM, without the comments of the text.
    pub(crate) fn to_pem(&self) -> String {
        self.0
            .iter()
            .map(|certificate| certificate.pem.as_str())
            .collect()
    }

    /// What is wrong with certificates that an injector accepts, but servers cannot use any more or not yet.
    pub(crate) fn warnings(&self, now: SystemTime) -> Vec<String> {
        let numbered = self.0.iter().zip(1..);
        let invalid = numbered.filter(|(certificate, _)| !certificate.validity.contains(now));
        invalid
            .map(|(certificate, number)| {
                let name = &certificate.common_name;
                if certificate.validity.not_before > now {
                    format!("CA bundle: certificate {number} ({name:?}) is not valid yet")
                } else {
                    format!("CA bundle: certificate {number} ({name:?}) has expired: remove it, or replace it by the CA's new one")
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use certs::issue::{issue_authority, issue_serving};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    /// A CA's certificate, and one that it issued.
    fn pair(now: SystemTime) -> (String, String) {
        let names = ["proxy.example.com".to_owned()];
        let authority = issue_authority(&names, now, DAY).unwrap();
        let serving = issue_serving(&authority, &names, now, DAY).unwrap();
        (authority.certificate.pem, serving.chain().to_owned())
    }

    #[test]
    fn cas_are_taken_without_their_comments() {
        let now = SystemTime::now();
        let (authority, _) = pair(now);
        let bundle: CaBundle = format!("# our $(proxy)\n{authority}\n{authority}")
            .parse()
            .unwrap();
        assert_eq!(bundle.to_pem(), authority.repeat(2));
        assert_eq!(bundle.warnings(now), [] as [&str; 0]);
    }

    #[test]
    fn what_no_injector_could_use_is_refused_by_its_number() {
        let (authority, serving) = pair(SystemTime::now());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, words) in [
            (String::new(), "contains no PEM certificate"),
            ("x".repeat(MOST_BYTES + 1), "has 32769 bytes"),
            (
                format!("{authority}{broken}"),
                "certificate 2 cannot be read",
            ),
            (
                format!("{authority}{serving}"),
                "certificate 2 (\"proxy.example.com\") is not a CA certificate",
            ),
            (
                format!("{authority}-----BEGIN PRIVATE KEY-----"),
                "contains a private key",
            ),
        ] {
            let error = text.parse::<CaBundle>().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_ca_that_no_server_can_use_now_is_told() {
        let now = SystemTime::now();
        let bundle: CaBundle = pair(now).0.parse().unwrap();
        assert!(
            bundle.warnings(now + 2 * DAY)[0]
                .contains("certificate 1 (\"proxy.example.com CA\") has expired")
        );
        assert!(bundle.warnings(now - DAY)[0].contains("is not valid yet"));
    }
}
