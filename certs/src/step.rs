//! The next step of a replica, as a pure function of what it has read. One *look* reads every configuration and then the
//! Secret, and does the first thing that is due. Then the next look starts.
//!
//! This order makes it safe with any number of replicas, however late each of them is. A `caBundle` is written only if its
//! configuration has not changed since *before* the Secret was read. If a replica has read an older state of the Secret,
//! its write is refused once a newer state is published. So a replica that was paused cannot remove a CA that is needed. A
//! CA in a `caBundle` that is unknown to the Secret stays there for a while. A certificate is served only after every
//! configuration was seen with its CA.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use crate::certificate::Certificate;
use crate::issue::{IssueError, authority_name};
use crate::pair::{Serving, Unusable};
use crate::rotate::{Change, Settings, create, restore, rotate, trust};
use crate::state::State;

/// The longest time between two looks.
pub const INTERVAL: Duration = Duration::from_mins(1);

/// What this look has read so far.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The configurations, in order, read before the Secret. `None` if one does not exist.
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
    /// It contains this state.
    Usable(Box<State>),
}

/// The `caBundle`s of a configuration, one for each of its webhooks.
#[derive(Clone, Debug, Default)]
pub struct Published(Vec<(String, Vec<Certificate>)>);

impl Published {
    /// Parses PEM texts. Unreadable parts trust nothing.
    pub fn new(bundles: impl IntoIterator<Item = String>) -> Self {
        let read = |text: String| {
            let certificates = Certificate::readable_from_pem(&text);
            (text, certificates)
        };
        Self(bundles.into_iter().map(read).collect())
    }

    /// Whether all webhooks have this bundle.
    fn is(&self, bundle: &str) -> bool {
        self.0.iter().all(|(text, _)| text == bundle)
    }

    /// Whether all webhooks trust this CA.
    fn trusts(&self, authority: &Certificate) -> bool {
        let has = |certificates: &[Certificate]| {
            certificates
                .iter()
                .any(|certificate| certificate.der == authority.der)
        };
        self.0.iter().all(|(_, certificates)| has(certificates))
    }

    fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.0.iter().flat_map(|(_, certificates)| certificates)
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
    Write(Box<State>, Change),
    /// Write this bundle to a configuration if it has not changed since it was read. Then start a new look.
    Publish(usize, String),
    /// Serve this certificate from now on.
    Show(Serving),
    /// Nothing is due. The next look is at this time.
    Wait(SystemTime),
}

/// What a replica remembers besides the view. It is lost when the replica stops.
#[derive(Debug, Default)]
pub struct Memory {
    /// The last usable content of the Secret.
    state: Option<State>,
    /// The serving certificate and the CA that signed it.
    shown: Option<(Certificate, Certificate)>,
    /// Since when every configuration has been seen with these CAs.
    trusted: HashMap<CertificateDer<'static>, SystemTime>,
    /// When something was last replaced because it was not valid yet.
    mended: Option<SystemTime>,
}

impl Memory {
    /// The serving certificate and the CA that signed it.
    pub fn shown(&self) -> Option<&(Certificate, Certificate)> {
        self.shown.as_ref()
    }

    /// The next step of a look.
    pub fn step(
        &mut self,
        view: &View,
        configurations: usize,
        settings: &Settings,
        now: SystemTime,
    ) -> Result<Step, IssueError> {
        if view.configurations.len() < configurations {
            return Ok(Step::ReadConfiguration(view.configurations.len()));
        }
        let state = match &view.secret {
            None => return Ok(Step::ReadSecret),
            Some(Found::Usable(state)) => state,
            Some(_) => return self.replace(settings, now),
        };
        self.state = Some(State::clone(state));
        self.note_trusted(&view.configurations, state, now);

        let next = state.next.as_ref();
        let is_next_trusted =
            next.is_some_and(|next| self.is_held(&next.certificate, settings, now));
        let mend_clock = self.may_mend(state, now);
        if let Some((new, change)) = rotate(state, settings, now, is_next_trusted, mend_clock)? {
            return Ok(Step::Write(Box::new(new), change));
        }
        let unknown = unknown(&view.configurations, state, settings, now);
        if !unknown.is_empty() {
            let mut new = State::clone(state);
            trust(&mut new, settings, now, unknown);
            return Ok(Step::Write(Box::new(new), Change::Adopted));
        }
        let bundle = state.bundle();
        let outdated = view
            .configurations
            .iter()
            .position(|found| found.as_ref().is_some_and(|found| !found.is(&bundle)));
        if let Some(configuration) = outdated {
            return Ok(Step::Publish(configuration, bundle));
        }
        if self.is_to_be_shown(state, settings, now) {
            let certificate = state.serving.certificate.clone();
            self.shown = Some((certificate, state.active.certificate.clone()));
            return Ok(Step::Show(state.serving.clone()));
        }
        if !state.dropped.is_empty() {
            let mut new = State::clone(state);
            new.dropped.clear();
            return Ok(Step::Write(Box::new(new), Change::Forgotten));
        }
        Ok(Step::Wait(self.next_look(state, settings, now)))
    }

    /// For a missing or unusable Secret: its last known content, or a new CA.
    fn replace(&self, settings: &Settings, now: SystemTime) -> Result<Step, IssueError> {
        let (state, change) = match &self.state {
            Some(state) => (restore(state, settings, now), Change::Restored),
            None => (create(settings, now)?, Change::Created),
        };
        Ok(Step::Write(Box::new(state), change))
    }

    /// Records since when CAs of the state are in all bundles.
    fn note_trusted(
        &mut self,
        configurations: &[Option<Published>],
        state: &State,
        now: SystemTime,
    ) {
        let next = state.next.as_ref().map(|next| &next.certificate);
        let before = std::mem::take(&mut self.trusted);
        for authority in [&state.active.certificate].into_iter().chain(next) {
            let mut published = configurations.iter().flatten();
            if published.all(|published| published.trusts(authority)) {
                // If the clock was set back, the wait must not become longer.
                let since = before
                    .get(&authority.der)
                    .map_or(now, |since| now.min(*since));
                self.trusted.insert(authority.der.clone(), since);
            }
        }
    }

    fn held_at(&self, authority: &Certificate, settings: &Settings) -> Option<SystemTime> {
        let since = self.trusted.get(&authority.der)?;
        Some(*since + settings.hold())
    }

    fn is_held(&self, authority: &Certificate, settings: &Settings, now: SystemTime) -> bool {
        self.held_at(authority, settings)
            .is_some_and(|time| now >= time)
    }

    /// Replicas with clocks that are hours apart would replace each other's certificates endlessly, so this is limited to once
    /// per [`INTERVAL`].
    fn may_mend(&mut self, state: &State, now: SystemTime) -> bool {
        let next = state.next.as_ref().map(|next| &next.certificate);
        let is_ahead = [&state.active.certificate, &state.serving.certificate]
            .into_iter()
            .chain(next)
            .any(|certificate| certificate.validity.is_ahead(now));
        let is_early = self
            .mended
            .is_some_and(|time| (time..time + INTERVAL).contains(&now));
        if !is_ahead || is_early {
            return false;
        }
        self.mended = Some(now);
        true
    }

    /// Every bundle is known to be correct here.
    fn is_to_be_shown(&self, state: &State, settings: &Settings, now: SystemTime) -> bool {
        let new = &state.serving.certificate;
        if new.validity.is_over(now) {
            return false;
        }
        let Some((shown, authority)) = &self.shown else {
            let first_at = self.first_at(state, settings, now);
            return first_at.is_some_and(|time| now >= time);
        };
        if shown.der == new.der {
            return false;
        }
        let is_same_authority = authority.der == state.active.certificate.der;
        let is_shown_good = !shown.validity.is_over(now)
            && state.trusted().any(|trusted| trusted.der == authority.der);
        is_same_authority
            || !is_shown_good
            || self.is_held(&state.active.certificate, settings, now)
    }

    /// When the state's certificate may be served first. A CA that replaced another one may not have reached every API server
    /// yet, e.g. after the Secret was lost.
    fn first_at(&self, state: &State, settings: &Settings, now: SystemTime) -> Option<SystemTime> {
        if state.previous.certificates.is_empty() {
            return Some(now);
        }
        let since = self.trusted.get(&state.active.certificate.der)?;
        Some(*since + settings.first_hold())
    }

    /// The time at which the next change is due, or in a minute.
    fn next_look(&self, state: &State, settings: &Settings, now: SystemTime) -> SystemTime {
        let active = &state.active.certificate;
        let serving = &state.serving.certificate;
        let next = state.next.as_ref().map(|next| &next.certificate);
        let mut moments = vec![
            now + INTERVAL,
            active.validity.due_at(),
            active.validity.not_after,
            serving.validity.due_at(),
            serving.validity.not_after,
            state.previous.until,
        ];
        let held = [Some(active), next].into_iter().flatten();
        moments.extend(held.filter_map(|authority| self.held_at(authority, settings)));
        moments.extend(self.first_at(state, settings, now));
        let future = moments.into_iter().filter(|moment| *moment > now);
        future.min().unwrap_or(now + INTERVAL)
    }
}

/// CAs of this webhook that are in a bundle but not in the Secret. Another replica may serve a certificate from them, e.g.
/// after the Secret was lost.
fn unknown(
    configurations: &[Option<Published>],
    state: &State,
    settings: &Settings,
    now: SystemTime,
) -> Vec<Certificate> {
    let name = authority_name(&settings.names);
    let mut unknown: Vec<Certificate> = Vec::new();
    let published = configurations.iter().flatten();
    for certificate in published.flat_map(Published::certificates) {
        let is_known = state
            .trusted()
            .chain(&state.dropped)
            .chain(&unknown)
            .any(|known| known.der == certificate.der);
        let is_ours = certificate.common_name == name;
        if is_ours && !is_known && !settings.is_long_over(certificate, now) {
            unknown.push(certificate.clone());
        }
    }
    unknown
}
