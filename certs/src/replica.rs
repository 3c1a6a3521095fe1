//! What a replica does next, as a pure function of what it has read and what it remembers.
//!
//! The Secret and every `caBundle` are sets of CAs that only grow, until a CA has expired. A replica adds what it knows to the
//! Secret, and the Secret's CAs to every `caBundle`, each provided that the object has not changed since it was read. So the
//! order of reads and writes does not matter, and a replica that was paused removes nothing that others need.
//!
//! A CA that is valid for longer than the configured lifetime is not accepted: it never signs, its key is deleted, and it enters
//! no `caBundle`. Where every `caBundle` has it already, the lifetime may have been lowered, and replicas with the old setting
//! may serve its certificates. So it leaves once every `caBundle` has had another CA for as long as clocks may differ. A replica
//! that puts it back starts this time anew, so nobody fights over it.
//!
//! The serving certificate is a replica's own. It comes from a CA that every `caBundle` has contained for a while. Its renewal
//! writes nothing, so it also happens while the API server is away.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use crate::authorities::{Authorities, bundle};
use crate::certificate::{BACKDATED, Certificate};
use crate::issue::{
    IssueError, Lifetimes, authority_name, issue_authority, issue_serving, serving_end,
};
use crate::pair::{Authority, Serving, Unusable};

/// The longest time between two looks.
pub const INTERVAL: Duration = Duration::from_mins(1);

/// The settings for issuing certificates.
#[derive(Clone, Debug)]
pub struct Settings {
    /// DNS names of the server, as the API server calls it.
    pub names: Vec<String>,
    /// Validity periods of certificates.
    pub lifetimes: Lifetimes,
}

impl Settings {
    /// How long every `caBundle` must contain a CA before a server switches from another CA's certificate to one of this CA.
    /// API servers learn of a changed configuration through a watch.
    pub fn hold(&self) -> Duration {
        Duration::from_mins(1).min(self.lifetimes.authority / 10)
    }

    /// The same for a server that has no certificate yet. Others wait for it.
    pub fn first_hold(&self) -> Duration {
        self.hold().min(Duration::from_secs(10))
    }

    /// The maximum difference between clocks. A CA is trusted this much longer than it is valid.
    pub(crate) fn slack(&self) -> Duration {
        BACKDATED.min(self.lifetimes.serving)
    }

    /// Whether a CA is valid for longer than any that these settings issue: somebody planted it, or the lifetime was lowered.
    fn is_overlong(&self, authority: &Certificate, now: SystemTime) -> bool {
        authority.validity.not_after > now + self.lifetimes.authority + self.slack()
    }
}

/// What this look has read so far.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The configurations, in order. `None` if one does not exist.
    pub configurations: Vec<Option<Published>>,
    /// The Secret.
    pub secret: Option<Found>,
}

/// The content of the Secret.
#[derive(Clone, Debug)]
pub enum Found {
    /// It does not exist or is empty.
    Absent,
    /// It is unusable.
    Unusable(Unusable),
    /// It contains these CAs.
    Usable(Authorities),
}

/// The `caBundle`s of a configuration, one for each of its webhooks.
#[derive(Clone, Debug)]
pub struct Published {
    bundles: Vec<(String, Vec<Certificate>)>,
    /// When this crate last changed them, by the API server's clock.
    changed_at: Option<SystemTime>,
}

impl Published {
    /// Parses PEM texts. Unreadable parts trust nothing.
    pub fn new(bundles: impl IntoIterator<Item = String>, changed_at: Option<SystemTime>) -> Self {
        let read = |text: String| {
            let certificates = Certificate::readable_from_pem(&text);
            (text, certificates)
        };
        Self {
            bundles: bundles.into_iter().map(read).collect(),
            changed_at,
        }
    }

    /// Whether all webhooks trust this CA.
    fn trusts(&self, authority: &Certificate) -> bool {
        let mut bundles = self.bundles.iter();
        bundles.all(|(_, certificates)| certificates.contains(authority))
    }

    fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.bundles
            .iter()
            .flat_map(|(_, certificates)| certificates)
    }
}

/// The next step.
#[derive(Clone, Debug)]
pub enum Step {
    /// Read this configuration and add it to the view.
    ReadConfiguration(usize),
    /// Read the Secret.
    ReadSecret,
    /// Write the Secret if it has not changed since it was read. Then start a new look.
    Write(Authorities),
    /// Write this bundle to a configuration if it has not changed since it was read. Then start a new look.
    Publish(usize, String),
    /// Serve this certificate from now on.
    Serve(Serving),
    /// Nothing is due. The next look is at this time.
    Wait(SystemTime),
}

/// What a replica remembers besides the view. It is lost when the replica stops.
#[derive(Debug, Default)]
pub struct Replica {
    /// All CAs that the Secret had and that have not expired.
    authorities: Authorities,
    /// The serving certificate and the CA that signed it.
    serving: Option<(Certificate, Certificate)>,
    /// Since when every configuration has been seen with these CAs.
    trusted: HashMap<CertificateDer<'static>, SystemTime>,
    /// When this crate had last changed each configuration when it was last seen.
    changes: Vec<Option<SystemTime>>,
    /// The CAs of this webhook that a configuration trusts. Other replicas may serve their certificates.
    published: Vec<Certificate>,
    /// Whether CAs that are valid for too long leave the bundles.
    drops_overlong: bool,
}

impl Replica {
    /// The serving certificate and the CA that signed it.
    pub fn serving(&self) -> Option<&(Certificate, Certificate)> {
        self.serving.as_ref()
    }

    /// Whether a known CA is valid, may sign, and has been in every bundle for long enough to replace an expired one.
    #[cfg(test)]
    pub(crate) fn could_sign(&self, settings: &Settings, now: SystemTime) -> bool {
        self.authorities.signing().iter().any(|authority| {
            let certificate = &authority.certificate;
            let since = self.trusted.get(&certificate.der);
            certificate.validity.contains(now)
                && since.is_some_and(|since| *since + settings.first_hold() <= now)
        })
    }

    /// The next step of a look.
    pub fn step(
        &mut self,
        view: &View,
        configurations: usize,
        settings: &Settings,
        now: SystemTime,
    ) -> Result<Step, IssueError> {
        let mut serving = self.serving.iter();
        if serving.any(|(serving, _)| serving.validity.not_after <= now)
            && let Some(serving) = self.renew(settings, now)?
        {
            return Ok(Step::Serve(serving));
        }
        let Some(found) = &view.secret else {
            return Ok(Step::ReadSecret);
        };
        if view.configurations.len() < configurations {
            return Ok(Step::ReadConfiguration(view.configurations.len()));
        }
        let stored = match found {
            Found::Usable(stored) => Some(stored),
            Found::Absent | Found::Unusable(_) => None,
        };
        self.learn(stored, &view.configurations, settings, now);

        let mut wanted = self.authorities.clone();
        let is_fresh = |authority: &Authority| {
            let validity = authority.certificate.validity;
            validity.contains(now) && now < validity.due_at()
        };
        if !wanted.signing().iter().any(is_fresh) {
            let lifetime = settings.lifetimes.authority;
            wanted.add(issue_authority(&settings.names, now, lifetime)?);
        }
        if stored != Some(&wanted) {
            return Ok(Step::Write(wanted));
        }
        for (index, published) in view.configurations.iter().enumerate() {
            let Some(published) = published else { continue };
            let bundle = self.bundle(published, settings, now);
            if published.bundles.iter().any(|(text, _)| *text != bundle) {
                return Ok(Step::Publish(index, bundle));
            }
        }
        if let Some(serving) = self.renew(settings, now)? {
            return Ok(Step::Serve(serving));
        }
        Ok(Step::Wait(self.next_look(settings, now)))
    }

    /// Takes over what was read.
    fn learn(
        &mut self,
        stored: Option<&Authorities>,
        configurations: &[Option<Published>],
        settings: &Settings,
        now: SystemTime,
    ) {
        if let Some(stored) = stored {
            self.authorities.merge(stored);
        }
        self.authorities.expire(now, settings.slack());
        self.authorities
            .retire(|authority| settings.is_overlong(authority, now));
        self.note_trusted(configurations, settings, now);
        let has_other = self.usable(settings, now).any(|authority| {
            let since = self.trusted.get(&authority.certificate.der);
            since.is_some_and(|since| *since + settings.slack() <= now)
        });
        self.drops_overlong = has_other;
        let is_refused = |authority: &Certificate| {
            let is_trusted = self.trusted.contains_key(&authority.der);
            settings.is_overlong(authority, now) && (self.drops_overlong || !is_trusted)
        };
        self.authorities.forget(is_refused);
        let full = now + settings.lifetimes.serving;
        let newest = self.usable(settings, now).last();
        let newest = newest.map(|authority| authority.certificate.clone());
        // It cannot sign a certificate of full length, and a newer CA can sign instead.
        self.authorities.retire(|old| {
            let replaces =
                |newest: &Certificate| newest.validity.not_after > old.validity.not_after;
            old.validity.not_after < full && newest.as_ref().is_some_and(replaces)
        });
    }

    /// Records since when CAs are in all bundles.
    fn note_trusted(
        &mut self,
        configurations: &[Option<Published>],
        settings: &Settings,
        now: SystemTime,
    ) {
        let found = || configurations.iter().flatten();
        // What nobody has changed for longer than clocks differ has reached every API server.
        let changes: Vec<_> = found().map(|published| published.changed_at).collect();
        let known = changes.iter().copied().collect::<Option<Vec<_>>>();
        let changed_at = known.and_then(|changes| changes.into_iter().max());
        let unchanged = changed_at.filter(|changed_at| *changed_at + settings.slack() <= now);
        let mut before = std::mem::take(&mut self.trusted);
        if changes != self.changes {
            // A bundle may have been emptied and filled again since it was last seen.
            before.clear();
            self.changes = changes;
        }
        for authority in self.authorities.certificates() {
            if found().all(|published| published.trusts(authority)) {
                let since = before.get(&authority.der).copied().or(unchanged);
                // If the clock was set back, the wait must not become longer.
                let since = since.map_or(now, |since| since.min(now));
                self.trusted.insert(authority.der.clone(), since);
            }
        }
        let own = found().flat_map(|published| own(published, settings, now));
        self.published = own.cloned().collect();
    }

    /// The CAs of this webhook in a configuration's bundles, and all that are known.
    fn bundle(&self, published: &Published, settings: &Settings, now: SystemTime) -> String {
        let known = self.authorities.certificates();
        let own = own(published, settings, now)
            .filter(|authority| !self.drops_overlong || !settings.is_overlong(authority, now));
        bundle(known.chain(own).collect())
    }

    /// The CAs that may sign a certificate now, the first to expire at the front.
    fn usable(&self, settings: &Settings, now: SystemTime) -> impl Iterator<Item = &Authority> {
        self.authorities.signing().iter().filter(move |authority| {
            let usable_at = self.usable_at(&authority.certificate, settings, now);
            authority.certificate.validity.contains(now)
                && usable_at.is_some_and(|time| time <= now)
        })
    }

    /// From when a CA may sign the serving certificate. `None` if a configuration does not trust it.
    fn usable_at(
        &self,
        authority: &Certificate,
        settings: &Settings,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let since = *self.trusted.get(&authority.der)?;
        let has_others = |slack| {
            let mut published = self.published.iter();
            published.any(|other| other != authority && other.validity.may_last(now, slack))
        };
        let hold = match &self.serving {
            Some((serving, _)) if serving.validity.contains(now) => settings.hold(),
            Some(_) if has_others(Duration::ZERO) => settings.first_hold(),
            None if has_others(settings.slack()) => settings.first_hold(),
            // No replica serves a better certificate.
            _ => Duration::ZERO,
        };
        Some(since + hold)
    }

    /// The serving certificate that is due when the API server cannot be reached. What is remembered of the bundles has to do.
    pub fn renew_alone(
        &mut self,
        settings: &Settings,
        now: SystemTime,
    ) -> Result<Option<Serving>, IssueError> {
        match self.serving {
            Some(_) => self.renew(settings, now),
            // Another replica may serve a certificate that is trusted.
            None => Ok(None),
        }
    }

    /// A new serving certificate if it is due: from the first CA that outlives it, so that all replicas leave the newest to API
    /// servers that learn of it late. If there is none, from the newest.
    fn renew(
        &mut self,
        settings: &Settings,
        now: SystemTime,
    ) -> Result<Option<Serving>, IssueError> {
        let lifetime = settings.lifetimes.serving;
        let mut signer = None;
        for authority in self.usable(settings, now) {
            signer = Some(authority);
            if authority.certificate.validity.not_after >= now + lifetime {
                break;
            }
        }
        let Some(signer) = signer else {
            return Ok(None);
        };
        let is_kept = self.serving.as_ref().is_some_and(|(serving, _)| {
            let validity = serving.validity;
            let is_longer = serving_end(signer, now, lifetime) > validity.not_after;
            validity.contains(now) && (now < validity.due_at() || !is_longer)
        });
        if is_kept {
            return Ok(None);
        }
        let serving = issue_serving(signer, &settings.names, now, lifetime)?;
        self.serving = Some((serving.certificate.clone(), signer.certificate.clone()));
        Ok(Some(serving))
    }

    /// The time at which the next change is due, or in a minute.
    fn next_look(&self, settings: &Settings, now: SystemTime) -> SystemTime {
        let mut moments = vec![now + INTERVAL];
        let serving = self.serving.iter().map(|(serving, _)| serving);
        for certificate in self.authorities.certificates().chain(serving) {
            let validity = certificate.validity;
            moments.extend([validity.due_at(), validity.not_after]);
            moments.push(validity.not_after + settings.slack());
            moments.extend(self.usable_at(certificate, settings, now));
        }
        let future = moments.into_iter().filter(|moment| *moment > now);
        future.min().unwrap_or(now + INTERVAL)
    }
}

/// The CAs of this webhook in a configuration's bundles that have not expired.
fn own<'a>(
    published: &'a Published,
    settings: &Settings,
    now: SystemTime,
) -> impl Iterator<Item = &'a Certificate> {
    let (name, slack) = (authority_name(&settings.names), settings.slack());
    published.certificates().filter(move |certificate| {
        certificate.common_name == name && certificate.validity.may_last(now, slack)
    })
}
