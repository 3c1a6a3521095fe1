//! The certificates that API servers accept.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::world::{Bundle, Versioned, World};
use crate::pair::Serving;

impl World {
    /// Whether this replica serves a certificate that every configuration trusts now.
    pub(super) fn is_good(&self, index: usize) -> Result<(), String> {
        let shown = self.replicas[index].shown.as_ref();
        let shown = shown.ok_or(format!("{index} shows nothing"))?;
        let mut found = self.configurations.iter().flatten();
        if found.all(|found| self.verify(&found.content.text, shown)) {
            Ok(())
        } else {
            Err(format!("{index} shows what is not trusted"))
        }
    }

    /// Configurations for which this replica cannot make things worse: its certificate has expired according to its clock, or
    /// it serves none while no other replica serves a good one.
    pub(super) fn lost(&self, index: usize) -> Vec<usize> {
        let is_good = |shown: &Serving, bundle: &Bundle| {
            !self.is_over(shown) && self.all_trust(bundle, shown)
        };
        let own = self.replicas[index].shown.as_ref();
        let is_over =
            own.is_some_and(|own| self.clock(index) >= own.certificate.validity.not_after);
        let is_lost = |found: &Versioned<Bundle>| {
            let mut shown = self
                .replicas
                .iter()
                .filter_map(|replica| replica.shown.as_ref());
            is_over || !shown.any(|shown| is_good(shown, &found.content))
        };
        let found = self.configurations.iter().enumerate();
        found
            .filter(|(_, found)| found.as_ref().is_some_and(is_lost))
            .map(|(i, _)| i)
            .collect()
    }

    fn is_over(&self, shown: &Serving) -> bool {
        self.now >= shown.certificate.validity.not_after
    }

    /// Replicas that serve a valid certificate, with undamaged configurations that do not trust it.
    pub(super) fn failures(&self) -> Vec<(usize, usize)> {
        let mut failures = Vec::new();
        for (index, replica) in self.replicas.iter().enumerate() {
            let Some(shown) = &replica.shown else {
                continue;
            };
            if self.is_over(shown) {
                continue;
            }
            for (i, found) in self.configurations.iter().enumerate() {
                if let Some(found) = found
                    && !found.content.is_broken
                    && !self.all_trust(&found.content, shown)
                {
                    failures.push((index, i));
                }
            }
        }
        failures
    }

    /// Whether all API servers trust it, including those that learn of changes late.
    fn all_trust(&self, bundle: &Bundle, shown: &Serving) -> bool {
        let late = bundle.older.iter().filter(|(_, until)| self.now < *until);
        let late = late.map(|(text, _)| text);
        late.chain([&bundle.text])
            .all(|text| self.verifies(text, shown))
    }

    pub(super) fn all_verify(&self, bundle: &str) -> bool {
        let mut shown = self
            .replicas
            .iter()
            .filter_map(|replica| replica.shown.as_ref());
        shown.all(|shown| self.is_over(shown) || self.verifies(bundle, shown))
    }

    /// Whether an API server with this bundle accepts the certificate, given that it is valid now.
    fn verifies(&self, bundle: &str, shown: &Serving) -> bool {
        let key = (bundle.to_owned(), shown.certificate.pem.clone());
        let known = self.verified.borrow().get(&key).copied();
        known.unwrap_or_else(|| {
            let verifies = self.verify(bundle, shown);
            self.verified.borrow_mut().insert(key, verifies);
            verifies
        })
    }

    /// Whether an API server with this bundle accepts the certificate.
    fn verify(&self, bundle: &str, shown: &Serving) -> bool {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let Ok(verifier) = verifier.build() else {
            return false;
        };
        let name = ServerName::try_from(self.settings.names[0].clone()).unwrap();
        let since_epoch = self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let now = UnixTime::since_unix_epoch(since_epoch);
        let answer = verifier.verify_server_cert(&shown.certificate.der, &[], &name, &[], now);
        answer.is_ok()
    }
}
