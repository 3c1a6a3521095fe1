//! The change of the Secret that is due: a pure function of its content and the time.
//!
//! CAs are rotated with an overlap:
//! 1. *Announced*: after two thirds of the active CA's lifetime, the next one is added.
//! 2. *Promoted*: once every `caBundle` contains the next CA, it signs a serving certificate and becomes the active one. The
//!    key of the old CA is discarded; its certificate is still trusted.
//! 3. *Dropped*: when the last certificate of the old CA has expired, the CA is removed from every `caBundle`.

use std::time::{Duration, SystemTime};

use crate::certificate::{BACKDATED, Certificate};
use crate::issue::{IssueError, Lifetimes, issue_authority, issue_serving, serving_end};
use crate::pair::{Authority, Serving};
use crate::state::{Previous, State};

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

    /// The maximum difference between clocks. An old CA is trusted this much longer than its last certificate.
    fn slack(&self) -> Duration {
        BACKDATED.min(self.lifetimes.serving)
    }

    /// Whether it has expired according to every clock.
    pub(crate) fn is_long_over(&self, certificate: &Certificate, now: SystemTime) -> bool {
        now >= certificate.validity.not_after + self.slack()
    }
}

/// The kind of a change, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new CA, because there was no usable one.
    Created,
    /// The Secret was restored after it was deleted or damaged.
    Restored,
    /// A `caBundle` contains a CA that was not in the Secret. It stays trusted for a while.
    Adopted,
    /// The next CA was issued.
    Announced,
    /// The next CA became the active one.
    Promoted,
    /// A new serving certificate from the same CA.
    Renewed,
    /// Trust in old CAs ended.
    Dropped,
    /// Dropped CAs were removed from every `caBundle`.
    Forgotten,
}

/// The change that is due, if any. `is_next_trusted`: every `caBundle` has contained the next CA for long enough.
/// `mend_clock`: whether certificates that are not valid yet may be replaced.
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
        // If the CA has expired, nothing can break.
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

/// Whether there is no usable next CA.
fn is_next_useless(state: &State, now: SystemTime, mend_clock: bool) -> bool {
    let validity = state.next.as_ref().map(|next| next.certificate.validity);
    validity.is_none_or(|next| next.is_over(now) || (next.is_ahead(now) && mend_clock))
}

/// A new CA with its first certificate.
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

/// The last known content of the Secret, to restore it. Other replicas may have changed it before it was lost, so nothing is
/// dropped before certificates that they may serve have expired.
pub fn restore(state: &State, settings: &Settings, now: SystemTime) -> State {
    let mut restored = state.clone();
    let dropped = std::mem::take(&mut restored.dropped);
    let previous = std::mem::take(&mut restored.previous.certificates);
    trust(&mut restored, settings, now, [previous, dropped].concat());
    restored
}

/// Keeps trusting other CAs for as long as their certificates can be valid.
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
    // If the Secret was restored, other replicas may serve a newer certificate than the known one, issued until now.
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
        // Whole seconds, as in the Secret.
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
    /// Drops CAs without served certificates.
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
