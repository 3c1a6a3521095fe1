//! What a replica does next, as a pure function of what it has read. One *look* reads every configuration, then the
//! Secret, and then does the first thing that is due; the next look begins after it.
//!
//! The order is what makes it safe with any number of replicas, however late each of them is. A `caBundle` is written
//! only if its configuration is as it was *before* the Secret was read. So whoever read an older state of the Secret finds
//! its write refused once a newer state was published: no authority that is needed can be taken out by a replica that
//! slept. What is in a `caBundle` and unknown to the Secret stays there for a while. And a certificate is shown only when every configuration was seen to have its authority.

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

/// What was read in this look so far.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The configurations, in their order, read before the Secret; `None` where there is none.
    pub configurations: Vec<Option<Published>>,
    /// The Secret.
    pub secret: Option<Found>,
}

/// The Secret, as it was found.
#[derive(Clone, Debug)]
pub enum Found {
    /// There is none, or it is empty.
    Absent,
    /// It holds something else.
    Unusable(Unusable),
    /// It holds this.
    Usable(Box<State>),
}

/// The `caBundle`s of a configuration, one for each of its webhooks.
#[derive(Clone, Debug, Default)]
pub struct Published(Vec<(String, Vec<Certificate>)>);

impl Published {
    /// From PEM texts. What cannot be read of them trusts nobody.
    pub fn new(bundles: impl IntoIterator<Item = String>) -> Self {
        let read = |text: String| {
            let certificates = Certificate::readable_from_pem(&text);
            (text, certificates)
        };
        Self(bundles.into_iter().map(read).collect())
    }

    /// Do all webhooks have this bundle?
    fn is(&self, bundle: &str) -> bool {
        self.0.iter().all(|(text, _)| text == bundle)
    }

    /// Do all webhooks trust this authority?
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

/// What to do next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Read this configuration, and add it to the view.
    ReadConfiguration(usize),
    /// Read the Secret.
    ReadSecret,
    /// Write the Secret if it is still as it was read; then a new look.
    Write(Box<State>, Change),
    /// Write this bundle into a configuration if that is still as it was read; then a new look.
    Publish(usize, String),
    /// Show this certificate from now on.
    Show(Serving),
    /// All is right: the next look is at this time.
    Wait(SystemTime),
}

/// What a replica knows beside the view: lost when it ends.
#[derive(Debug, Default)]
pub struct Memory {
    /// What the Secret held when it was last usable.
    state: Option<State>,
    /// The certificate that is shown, and who signed it.
    shown: Option<(Certificate, Certificate)>,
    /// Since when every configuration was seen to have these authorities.
    trusted: HashMap<CertificateDer<'static>, SystemTime>,
    /// When something was last replaced because it begins in the future.
    mended: Option<SystemTime>,
}

impl Memory {
    /// The certificate that is shown, and who signed it.
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

    /// For a Secret that is absent or spoiled: what it held, or a new authority.
    fn replace(&self, settings: &Settings, now: SystemTime) -> Result<Step, IssueError> {
        let (state, change) = match &self.state {
            Some(state) => (restore(state, settings, now), Change::Restored),
            None => (create(settings, now)?, Change::Created),
        };
        Ok(Step::Write(Box::new(state), change))
    }

    /// Notes since when authorities of the state are in all bundles.
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
                // A clock that went back must not make it wait for longer.
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

    /// Two clocks that are hours apart would replace each other's certificates without end: at most every [`INTERVAL`].
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

    /// Every bundle is known to be right here.
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

    /// When the state's certificate may be the first that is shown. An authority that took over from another one may not
    /// have come to every API server yet, as after the Secret was lost.
    fn first_at(&self, state: &State, settings: &Settings, now: SystemTime) -> Option<SystemTime> {
        if state.previous.certificates.is_empty() {
            return Some(now);
        }
        let since = self.trusted.get(&state.active.certificate.der)?;
        Some(*since + settings.first_hold())
    }

    /// The next moment at which something is due, or a minute.
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

/// Authorities of ours that are in a bundle, but not in the Secret: another replica may show a certificate of them, as
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
