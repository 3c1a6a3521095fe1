//! What has to be changed in the Secret now: a pure function of what it holds and the time.
//!
//! The authority is exchanged with an overlap:
//! 1. *Announced*: at two thirds of the active authority's life the next one is written beside it.
//! 2. *Promoted*: once every `caBundle` has the next authority, it signs a serving certificate and becomes the active
//!    one; the old one's key is thrown away, its certificate stays trusted.
//! 3. *Dropped*: when the last certificate that the old one signed is over, it is taken out of every `caBundle`.

use std::time::{Duration, SystemTime};

use crate::certificate::{BACKDATED, Certificate};
use crate::issue::{IssueError, Lifetimes, issue_authority, issue_serving, serving_end};
use crate::pair::{Authority, Serving};
use crate::state::{Previous, State};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// DNS names of the server, as the API server calls it.
    pub names: Vec<String>,
    /// How long certificates hold.
    pub lifetimes: Lifetimes,
}

impl Settings {
    /// How long every `caBundle` has to have an authority before a server that shows another one's certificate changes to
    /// its: API servers learn of a changed configuration by a watch.
    pub fn hold(&self) -> Duration {
        Duration::from_mins(1).min(self.lifetimes.authority / 10)
    }

    /// The same for a server that shows nothing yet, and is waited for.
    pub fn first_hold(&self) -> Duration {
        self.hold().min(Duration::from_secs(10))
    }

    /// By how much clocks may differ: so long an old authority is trusted beyond what it signed.
    fn slack(&self) -> Duration {
        BACKDATED.min(self.lifetimes.serving)
    }

    /// Is it over by every clock?
    pub(crate) fn is_long_over(&self, certificate: &Certificate, now: SystemTime) -> bool {
        now >= certificate.validity.not_after + self.slack()
    }
}

/// What a write does, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new authority: there was none that could be used.
    Created,
    /// The Secret is as it was before somebody deleted or spoiled it.
    Restored,
    /// An authority was found in a `caBundle` that the Secret did not know: it stays trusted for a while.
    Adopted,
    /// The next authority was made.
    Announced,
    /// The next authority became the active one.
    Promoted,
    /// A new serving certificate of the same authority.
    Renewed,
    /// Old authorities are not trusted any more.
    Dropped,
    /// No `caBundle` has them any more.
    Forgotten,
}

/// The change that is due, if any. `is_next_trusted`: every `caBundle` has had the next authority for long enough.
/// `mend_clock`: may what begins in the future be replaced?
pub fn rotate(
    state: &State,
    settings: &Settings,
    now: SystemTime,
    is_next_trusted: bool,
    mend_clock: bool,
) -> Result<Option<(State, Change)>, IssueError> {
    let active = state.active.certificate.validity;
    let next = state.next.as_ref().filter(|next| {
        let validity = next.certificate.validity;
        !validity.is_over(now) && !validity.is_ahead(now)
    });
    let is_lost = active.is_over(now) || (active.is_ahead(now) && mend_clock);
    let change = match next {
        // With an authority that is over nothing is left that could be broken.
        Some(next) if is_lost || is_next_trusted => {
            (promote(state, next, settings, now)?, Change::Promoted)
        }
        _ if is_lost => {
            let mut new = create(settings, now)?;
            let trusted = state.trusted().cloned().collect();
            new.dropped.clone_from(&state.dropped);
            trust(&mut new, settings, now, trusted);
            (new, Change::Created)
        }
        None if now >= active.due_at() && is_next_useless(state, now, mend_clock) => {
            let authority = issue_authority(&settings.names, now, settings.lifetimes.authority)?;
            let mut new = state.clone();
            new.next = Some(authority);
            (new, Change::Announced)
        }
        _ if is_serving_due(state, settings, now, mend_clock) => {
            let mut new = state.clone();
            new.serving = serving_of(&state.active, settings, now)?;
            (new, Change::Renewed)
        }
        _ => {
            let mut new = state.clone();
            new.clean(settings, now);
            if new == *state {
                return Ok(None);
            }
            (new, Change::Dropped)
        }
    };
    Ok(Some(change))
}

/// Is there no next authority that can be waited for?
fn is_next_useless(state: &State, now: SystemTime, mend_clock: bool) -> bool {
    let validity = state.next.as_ref().map(|next| next.certificate.validity);
    validity.is_none_or(|next| next.is_over(now) || (next.is_ahead(now) && mend_clock))
}

/// A new authority with its first certificate.
pub fn create(settings: &Settings, now: SystemTime) -> Result<State, IssueError> {
    let active = issue_authority(&settings.names, now, settings.lifetimes.authority)?;
    Ok(State {
        serving: serving_of(&active, settings, now)?,
        active,
        next: None,
        previous: Previous::default(),
        dropped: Vec::new(),
    })
}

/// What the Secret held, to be written again. Others may have gone on from there before it was lost: nothing of it is
/// dropped before what they may show is over.
pub fn restore(state: &State, settings: &Settings, now: SystemTime) -> State {
    let mut restored = state.clone();
    let dropped = std::mem::take(&mut restored.dropped);
    let previous = std::mem::take(&mut restored.previous.certificates);
    trust(&mut restored, settings, now, [previous, dropped].concat());
    restored
}

/// Goes on trusting other authorities, as long as what they signed can hold.
pub fn trust(state: &mut State, settings: &Settings, now: SystemTime, others: Vec<Certificate>) {
    if !others.is_empty() {
        let until = now + settings.lifetimes.serving + settings.slack();
        state.previous.add(others, until);
        state.clean(settings, now);
    }
}

fn promote(
    state: &State,
    next: &Authority,
    settings: &Settings,
    now: SystemTime,
) -> Result<State, IssueError> {
    let mut new = State {
        active: next.clone(),
        serving: serving_of(next, settings, now)?,
        next: None,
        previous: state.previous.clone(),
        dropped: state.dropped.clone(),
    };
    // After a restored Secret others may show a later certificate than the one that is known here, made until now.
    let latest = serving_end(&state.active, now, settings.lifetimes.serving);
    let until = latest.max(state.serving.certificate.validity.not_after) + settings.slack();
    new.previous
        .add(vec![state.active.certificate.clone()], until);
    new.clean(settings, now);
    Ok(new)
}

fn serving_of(
    authority: &Authority,
    settings: &Settings,
    now: SystemTime,
) -> Result<Serving, IssueError> {
    issue_serving(authority, &settings.names, now, settings.lifetimes.serving)
}

fn is_serving_due(state: &State, settings: &Settings, now: SystemTime, mend_clock: bool) -> bool {
    let serving = &state.serving.certificate;
    let covers = |name| serving.dns_names.contains(name);
    if !settings.names.iter().all(covers) {
        return true;
    }
    if serving.validity.is_ahead(now) {
        return mend_clock;
    }
    // At the end of its authority a new one would end as early as this one: it is not worth the write.
    let end = serving_end(&state.active, now, settings.lifetimes.serving);
    let gain = end
        .duration_since(serving.validity.not_after)
        .unwrap_or_default();
    now >= serving.validity.due_at() && gain >= Duration::from_secs(1)
}

impl Previous {
    fn add(&mut self, certificates: Vec<Certificate>, until: SystemTime) {
        // Whole seconds, as the Secret holds it.
        let seconds = until
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        self.until = self.until.max(until);
        self.certificates.extend(certificates);
    }
}

impl State {
    /// Drops what nothing is shown of any more.
    fn clean(&mut self, settings: &Settings, now: SystemTime) {
        let until = self.previous.until;
        let is_kept =
            |certificate: &Certificate| now < until && !settings.is_long_over(certificate, now);
        let certificates = std::mem::take(&mut self.previous.certificates);
        let (kept, gone): (Vec<_>, _) = certificates.into_iter().partition(is_kept);
        self.dropped.extend::<Vec<_>>(gone);
        if kept.is_empty() {
            self.previous = Previous::default();
        } else {
            self.previous.certificates = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn settings() -> Settings {
        Settings {
            names: vec!["webhook.ns.svc".to_owned()],
            lifetimes: Lifetimes {
                authority: 90 * DAY,
                serving: 9 * DAY,
            },
        }
    }

    fn changed(state: &State, now: SystemTime, is_next_trusted: bool) -> Option<(State, Change)> {
        rotate(state, &settings(), now, is_next_trusted, false).unwrap()
    }

    fn change(state: &State, now: SystemTime) -> Option<Change> {
        changed(state, now, false).map(|(_, change)| change)
    }

    #[test]
    fn an_authority_is_announced_then_promoted_then_dropped() {
        let start = SystemTime::now();
        let old = create(&settings(), start).unwrap();
        assert_eq!(change(&old, start + 5 * DAY), None);
        assert_eq!(change(&old, start + 7 * DAY), Some(Change::Renewed));

        let later = start + 61 * DAY;
        let mut old = old;
        old.serving = serving_of(&old.active, &settings(), later - 7 * DAY).unwrap();
        let (announced, step) = changed(&old, later, false).unwrap();
        assert_eq!(step, Change::Announced);
        assert_eq!(announced.active, old.active, "it still signs");
        let next = announced.next.clone().unwrap();
        assert_eq!(
            change(&announced, later),
            Some(Change::Renewed),
            "while the next one is not trusted, the old one goes on"
        );

        let (promoted, step) = changed(&announced, later, true).unwrap();
        assert_eq!((step, &promoted.active), (Change::Promoted, &next));
        assert_eq!(
            promoted.previous.certificates,
            [old.active.certificate.clone()]
        );
        let text = format!("{:?}", promoted.to_data());
        assert!(!text.contains(old.active.key()), "its key is gone");
        assert!(promoted.bundle().contains(&old.active.certificate.pem));
        let (renewed, step) = changed(&promoted, later + 8 * DAY, false).unwrap();
        assert_eq!(step, Change::Renewed);
        let shown = later + 9 * DAY;
        assert_eq!(
            change(&renewed, shown),
            None,
            "what it signed just before may be shown yet"
        );

        let (dropped, step) = changed(&renewed, shown + 2 * BACKDATED, false).unwrap();
        assert_eq!(step, Change::Dropped, "what it signed is over");
        assert_eq!(dropped.bundle(), next.certificate.pem);
        assert_eq!(dropped.dropped, [old.active.certificate]);
    }

    #[test]
    fn a_serving_certificate_does_not_outlive_its_authority() {
        let start = SystemTime::now();
        let state = create(&settings(), start).unwrap();
        let end = state.active.certificate.validity.not_after;
        let late = serving_of(&state.active, &settings(), end - DAY).unwrap();
        assert_eq!(late.certificate.validity.not_after, end);
    }

    #[test]
    fn a_missing_name_renews_the_serving_certificate_alone() {
        let now = SystemTime::now();
        let old = create(&settings(), now).unwrap();
        let mut settings = settings();
        settings.names.push("webhook.ns.svc.cluster.local".into());
        let (new, step) = rotate(&old, &settings, now, false, false).unwrap().unwrap();
        assert_eq!((step, &new.active), (Change::Renewed, &old.active));
        assert_eq!(new.serving.certificate.dns_names, settings.names);
    }

    #[test]
    fn clocks_an_hour_apart_do_not_renew_each_others_certificates() {
        let now = SystemTime::now();
        let short = Settings {
            lifetimes: Lifetimes {
                authority: 2 * Lifetimes::SHORTEST,
                serving: Lifetimes::SHORTEST,
            },
            ..settings()
        };
        let made_ahead = create(&short, now + BACKDATED).unwrap();
        assert_eq!(
            rotate(&made_ahead, &short, now, false, true).unwrap(),
            None,
            "it holds already by the clock that is behind"
        );
    }

    #[test]
    fn when_everything_is_over_a_new_authority_is_made() {
        let start = SystemTime::now();
        let state = create(&settings(), start).unwrap();
        let (new, step) = changed(&state, start + 91 * DAY, false).unwrap();
        assert_eq!(step, Change::Created);
        assert_ne!(new.active, state.active);
    }
}
