//! The content of the Secret: the serving certificate, and the CAs before, during and after a rotation. A [`State`] is
//! verified: it can always be served.

use std::collections::BTreeMap;
use std::time::SystemTime;

use k8s_openapi::ByteString;

use crate::certificate::Certificate;
use crate::pair::{Authority, CERTIFICATE, KEY, Serving, Unusable};

const ACTIVE: [&str; 2] = ["ca.crt", "ca.key"];
const NEXT: [&str; 2] = ["next-ca.crt", "next-ca.key"];
const PREVIOUS: &str = "previous-ca.crt";
const PREVIOUS_UNTIL: &str = "previous-until";
const DROPPED: &str = "dropped-ca.crt";

/// The certificates that all replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Signs the serving certificates.
    pub active: Authority,
    /// The serving certificate, signed by the active CA.
    pub serving: Serving,
    /// Becomes active when every `caBundle` contains it.
    pub next: Option<Authority>,
    /// Previous CAs. They sign nothing, but their certificates may still be served.
    pub previous: Previous,
    /// To be removed from every `caBundle`. A CA that is not in the Secret is never removed, because another replica may serve
    /// a certificate from it.
    pub dropped: Vec<Certificate>,
}

/// CAs that are still trusted but whose keys are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Their certificates.
    pub certificates: Vec<Certificate>,
    /// Until when their certificates can be served, in whole seconds.
    pub until: SystemTime,
}

impl Default for Previous {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            until: SystemTime::UNIX_EPOCH,
        }
    }
}

impl State {
    /// Parses the data of a Secret.
    pub fn from_data(data: &BTreeMap<String, ByteString>) -> Result<Self, Unusable> {
        let text = |field: &'static str| {
            let bytes = data.get(field).map(|bytes| bytes.0.as_slice());
            bytes
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .filter(|text| !text.is_empty())
                .ok_or(Unusable::Missing(field))
        };
        let authority = |fields: [&'static str; 2]| {
            Authority::from_pem(fields, text(fields[0])?, text(fields[1])?)
        };
        let has_next = NEXT.into_iter().any(|field| data.contains_key(field));
        let state = Self {
            active: authority(ACTIVE)?,
            serving: Serving::from_pem(text(CERTIFICATE)?, text(KEY)?)?,
            next: has_next.then(|| authority(NEXT)).transpose()?,
            previous: if data.contains_key(PREVIOUS) {
                previous(text(PREVIOUS)?, text(PREVIOUS_UNTIL)?)?
            } else {
                Previous::default()
            },
            dropped: if data.contains_key(DROPPED) {
                certificates(DROPPED, text(DROPPED)?)?
            } else {
                Vec::new()
            },
        };
        let serving = &state.serving.certificate;
        if serving.is_signed_by(&state.active.certificate) {
            Ok(state)
        } else {
            Err(Unusable::OtherAuthority)
        }
    }

    /// Formats the data of a Secret.
    pub fn to_data(&self) -> BTreeMap<String, ByteString> {
        let mut fields = vec![
            (ACTIVE[0], self.active.certificate.pem.clone()),
            (ACTIVE[1], self.active.key().to_owned()),
            (CERTIFICATE, self.serving.chain().to_owned()),
            (KEY, self.serving.key().to_owned()),
        ];
        if let Some(next) = &self.next {
            fields.push((NEXT[0], next.certificate.pem.clone()));
            fields.push((NEXT[1], next.key().to_owned()));
        }
        if !self.previous.certificates.is_empty() {
            fields.push((PREVIOUS, concatenated(&self.previous.certificates)));
            let until = humantime::format_rfc3339_seconds(self.previous.until);
            fields.push((PREVIOUS_UNTIL, until.to_string()));
        }
        if !self.dropped.is_empty() {
            fields.push((DROPPED, concatenated(&self.dropped)));
        }
        fields
            .into_iter()
            .map(|(field, text)| (field.to_owned(), ByteString(text.into_bytes())))
            .collect()
    }

    /// All CAs that must be trusted.
    pub fn trusted(&self) -> impl Iterator<Item = &Certificate> {
        let next = self.next.as_ref().map(|next| &next.certificate);
        [&self.active.certificate]
            .into_iter()
            .chain(next)
            .chain(&self.previous.certificates)
    }

    /// The `caBundle` in PEM. The text depends only on the CAs, not on their stage.
    pub fn bundle(&self) -> String {
        let mut trusted: Vec<_> = self.trusted().collect();
        trusted.sort_by(|a, b| {
            let newest = b.validity.not_after.cmp(&a.validity.not_after);
            newest.then_with(|| a.pem.cmp(&b.pem))
        });
        trusted.dedup_by(|a, b| a.pem == b.pem);
        concatenated(trusted)
    }
}

fn concatenated<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    certificates
        .into_iter()
        .map(|certificate| certificate.pem.as_str())
        .collect()
}

fn certificates(field: &'static str, pem: &str) -> Result<Vec<Certificate>, Unusable> {
    Certificate::all_from_pem(pem).map_err(|reason| Unusable::unreadable(field, &reason))
}

fn previous(pem: &str, until: &str) -> Result<Previous, Unusable> {
    Ok(Previous {
        certificates: certificates(PREVIOUS, pem)?,
        until: humantime::parse_rfc3339(until.trim())
            .map_err(|error| Unusable::unreadable(PREVIOUS_UNTIL, &error))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lifetimes;
    use crate::rotate::{Settings, create};

    fn new() -> State {
        let settings = Settings {
            names: vec!["webhook.ns.svc".to_owned()],
            lifetimes: Lifetimes::default(),
        };
        create(&settings, SystemTime::now()).unwrap()
    }

    /// A full state, and the error for its data with some fields of another one.
    fn mixed(fields: &[&str]) -> String {
        let full = || {
            let (mut state, other) = (new(), new());
            state.next = Some(other.active.clone());
            state.previous = Previous {
                certificates: vec![other.active.certificate.clone()],
                until: SystemTime::UNIX_EPOCH,
            };
            state
        };
        let (mut data, other) = (full().to_data(), full().to_data());
        for field in fields {
            data.insert((*field).to_owned(), other[*field].clone());
        }
        State::from_data(&data).unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_belong_together_is_not_served() {
        assert_eq!(mixed(&["tls.key"]), "tls.key does not match tls.crt");
        assert_eq!(mixed(&["ca.key"]), "ca.key does not match ca.crt");
        assert_eq!(
            mixed(&["next-ca.crt"]),
            "next-ca.key does not match next-ca.crt"
        );
        assert_eq!(
            mixed(&["tls.crt", "tls.key"]),
            "tls.crt is not signed by ca.crt"
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let state = new();
        assert_eq!(State::from_data(&state.to_data()).unwrap(), state);
        for field in ["ca.crt", "ca.key", "tls.crt", "tls.key", "previous-ca.crt"] {
            let mut data = state.to_data();
            data.insert("previous-until".to_owned(), ByteString(b"soon".to_vec()));
            data.insert(field.to_owned(), ByteString(b"garbage".to_vec()));
            let error = State::from_data(&data).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field} cannot be")), "{error}");
        }
        let mut data = state.to_data();
        data.remove("ca.key");
        let error = State::from_data(&data).unwrap_err().to_string();
        assert_eq!(error, "ca.key is missing or not text");
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert!(!format!("{:?}", new()).contains("PRIVATE KEY"));
    }
}
