//! The CAs of a webhook, as they are stored in the Secret. The set only grows: a CA leaves it after its own expiry, or if it
//! is valid for longer than CAs are issued for.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;

use crate::certificate::Certificate;
use crate::pair::{Authority, Unusable};

/// The keys of the Secret's data.
const SIGNING: &str = "signing.pem";
const RETIRED: &str = "retired.pem";

/// CAs, those that expire first at the front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities {
    /// May sign certificates.
    signing: Vec<Authority>,
    /// Sign no longer, and their keys are gone. They are trusted until they expire.
    retired: Vec<Certificate>,
}

impl Authorities {
    /// Parses the data of a Secret: in `signing.pem`, each certificate followed by its key, and in `retired.pem` certificates.
    pub fn from_data(data: &BTreeMap<String, ByteString>) -> Result<Self, Unusable> {
        let text = |field: &'static str| match data.get(field) {
            None => Ok(""),
            Some(bytes) => std::str::from_utf8(&bytes.0).map_err(|_| Unusable::NotText(field)),
        };
        let mut all = Self::default();
        for pair in text(SIGNING)?.split_inclusive("-----END PRIVATE KEY-----\n") {
            all.add(Authority::from_pem(SIGNING, pair)?);
        }
        let retired = text(RETIRED)?;
        if !retired.is_empty() {
            all.retired = Certificate::all_from_pem(retired)
                .map_err(|reason| Unusable::unreadable(RETIRED, &reason))?;
            all.sort();
        }
        Ok(all)
    }

    /// Formats the data of a Secret.
    pub fn to_data(&self) -> BTreeMap<String, ByteString> {
        let pairs = self.signing.iter();
        let signing = pairs.map(|authority| authority.certificate.pem.clone() + authority.key());
        let retired = concatenated(&self.retired);
        let fields = [(SIGNING, signing.collect()), (RETIRED, retired)];
        let fields = fields.into_iter().filter(|(_, text)| !text.is_empty());
        fields
            .map(|(field, text)| (field.to_owned(), ByteString(text.into_bytes())))
            .collect()
    }

    /// Those that may sign, the first to expire at the front.
    pub fn signing(&self) -> &[Authority] {
        &self.signing
    }

    /// All certificates.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        let signing = self.signing.iter().map(|authority| &authority.certificate);
        signing.chain(&self.retired)
    }

    pub(crate) fn add(&mut self, authority: Authority) {
        self.signing.push(authority);
        self.sort();
    }

    /// Adds those of another set. What is retired in one of them is retired.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.signing.extend(other.signing.iter().cloned());
        self.retired.extend(other.retired.iter().cloned());
        self.sort();
    }

    /// Deletes the keys of those for which this is true.
    pub(crate) fn retire(&mut self, is_done: impl Fn(&Certificate) -> bool) {
        let done = self
            .signing
            .extract_if(.., |authority| is_done(&authority.certificate));
        self.retired
            .extend(done.map(|authority| authority.certificate));
        self.sort();
    }

    /// Removes the retired ones for which this is true.
    pub(crate) fn forget(&mut self, is_refused: impl Fn(&Certificate) -> bool) {
        self.retired.retain(|certificate| !is_refused(certificate));
    }

    /// Removes those that expired longer ago than clocks differ.
    pub(crate) fn expire(&mut self, now: SystemTime, slack: Duration) {
        let is_kept = |certificate: &Certificate| certificate.validity.may_last(now, slack);
        self.signing
            .retain(|authority| is_kept(&authority.certificate));
        self.retired.retain(is_kept);
    }

    /// One order, and each once: two replicas that know the same write the same.
    fn sort(&mut self) {
        self.retired.sort_by(Certificate::by_expiry);
        self.retired.dedup();
        let retired = &self.retired;
        self.signing
            .retain(|authority| !retired.contains(&authority.certificate));
        self.signing
            .sort_by(|a, b| Certificate::by_expiry(&a.certificate, &b.certificate));
        self.signing.dedup();
    }
}

/// A `caBundle` with these certificates, always in the same order.
pub(crate) fn bundle(mut certificates: Vec<&Certificate>) -> String {
    certificates.sort_by(|a, b| Certificate::by_expiry(b, a));
    certificates.dedup();
    concatenated(certificates)
}

fn concatenated<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    let texts = certificates.into_iter();
    texts.map(|certificate| certificate.pem.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::issue_authority;

    const DAY: Duration = Duration::from_hours(24);

    fn issued(days: u32) -> Authority {
        let names = ["webhook.ns.svc".to_owned()];
        issue_authority(&names, SystemTime::now(), DAY * days).unwrap()
    }

    fn full() -> Authorities {
        let mut all = Authorities::default();
        for days in [90, 30, 60] {
            all.add(issued(days));
        }
        let first = all.signing[0].certificate.clone();
        all.retire(|certificate| *certificate == first);
        all
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let all = full();
        assert_eq!((all.signing.len(), all.retired.len()), (2, 1));
        assert_eq!(Authorities::from_data(&all.to_data()).unwrap(), all);
        let none = Authorities::default();
        assert_eq!(Authorities::from_data(&none.to_data()).unwrap(), none);
    }

    #[test]
    fn a_key_that_one_replica_deleted_does_not_come_back() {
        let mut all = Authorities::default();
        all.add(issued(30));
        let before = all.clone();
        all.retire(|_| true);
        assert!(!format!("{:?}", all.to_data()).contains(before.signing[0].key()));
        let mut merged = before;
        merged.merge(&all);
        assert_eq!(merged, all);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = |field: &str, text: &[u8]| {
            let mut data = full().to_data();
            data.insert(field.to_owned(), ByteString(text.to_vec()));
            Authorities::from_data(&data).unwrap_err().to_string()
        };
        assert!(error(SIGNING, b"garbage").starts_with("signing.pem cannot be read: "));
        assert!(error(RETIRED, b"garbage").starts_with("retired.pem cannot be read: "));
        assert_eq!(error(SIGNING, &[0xff]), "signing.pem is not text");
        let [one, other] = [issued(1), issued(1)];
        let mixed = one.certificate.pem + other.key();
        let expected = "signing.pem has a key that does not match its certificate";
        assert_eq!(error(SIGNING, mixed.as_bytes()), expected);
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert!(!format!("{:?}", full()).contains("PRIVATE KEY"));
    }
}
