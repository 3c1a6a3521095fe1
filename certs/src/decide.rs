//! What has to be done about the certificates now: a pure function of their state and the time.

use std::time::SystemTime;

use crate::identity::{Facts, Validity};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Keep,
    /// A new serving certificate of the same authority.
    RenewServing,
    /// A new authority, and a serving certificate of it.
    RenewAll,
}

/// Decides for a Secret's content (`None`: absent or unusable) and the DNS names that the server needs.
pub fn decide(facts: Option<&Facts>, names: &[String], now: SystemTime) -> Action {
    let Some(facts) = facts else {
        return Action::RenewAll;
    };
    if is_due(&facts.authority, now) {
        return Action::RenewAll;
    }
    let covers = names.iter().all(|name| facts.names.contains(name));
    if !covers || is_due(&facts.serving, now) {
        Action::RenewServing
    } else {
        Action::Keep
    }
}

/// A certificate is renewed when two thirds of its time are over, or when the clock is before its start.
pub(crate) fn is_due(validity: &Validity, now: SystemTime) -> bool {
    let Ok(age) = now.duration_since(validity.not_before) else {
        return true;
    };
    let life = validity
        .not_after
        .duration_since(validity.not_before)
        .unwrap_or_default();
    age >= life * 2 / 3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Identity, Lifetimes, Unusable, issue_all, issue_serving};

    const DAY: Duration = Duration::from_hours(24);

    fn names() -> Vec<String> {
        vec!["webhook.ns.svc".to_owned()]
    }

    fn identity(now: SystemTime) -> Identity {
        issue_all(
            &names(),
            now,
            Lifetimes {
                authority: 90 * DAY,
                serving: 9 * DAY,
            },
        )
        .unwrap()
    }

    #[test]
    fn each_certificate_is_renewed_at_two_thirds_of_its_life() {
        let now = SystemTime::now();
        let facts = identity(now).verify().unwrap();
        let at = |days: u32| decide(Some(&facts), &names(), now + DAY * days);
        assert_eq!((at(0), at(5)), (Action::Keep, Action::Keep));
        assert_eq!(
            (at(6), at(59)),
            (Action::RenewServing, Action::RenewServing)
        );
        assert_eq!((at(60), at(1000)), (Action::RenewAll, Action::RenewAll));
        assert_eq!(
            decide(Some(&facts), &names(), now - DAY),
            Action::RenewAll,
            "a clock that went back"
        );
        assert_eq!(decide(None, &names(), now), Action::RenewAll);
    }

    #[test]
    fn a_short_life_is_not_due_at_once() {
        let now = SystemTime::now();
        let lifetimes = Lifetimes {
            authority: Duration::from_mins(4),
            serving: Duration::from_mins(2),
        };
        let facts = issue_all(&names(), now, lifetimes)
            .unwrap()
            .verify()
            .unwrap();
        let at = |seconds| decide(Some(&facts), &names(), now + Duration::from_secs(seconds));
        assert_eq!(
            (at(0), at(60), at(85)),
            (Action::Keep, Action::Keep, Action::RenewServing)
        );
    }

    #[test]
    fn a_missing_name_renews_the_serving_certificate_alone() {
        let now = SystemTime::now();
        let old = identity(now);
        let wanted = vec![
            "webhook.ns.svc".to_owned(),
            "webhook.ns.svc.cluster.local".to_owned(),
        ];
        assert_eq!(
            decide(Some(&old.verify().unwrap()), &wanted, now),
            Action::RenewServing
        );
        let new = issue_serving(&old, &wanted, now, Lifetimes::default()).unwrap();
        assert_eq!(new.ca_certificate, old.ca_certificate);
        assert_eq!(
            decide(Some(&new.verify().unwrap()), &wanted, now),
            Action::Keep
        );
    }

    #[test]
    fn what_does_not_belong_together_is_not_served() {
        let now = SystemTime::now();
        let (one, other) = (identity(now), identity(now));
        let mixed = |change: fn(&mut Identity, &Identity)| {
            let mut mixed = one.clone();
            change(&mut mixed, &other);
            mixed.verify().unwrap_err()
        };
        assert_eq!(
            mixed(|mixed, other| mixed.key.clone_from(&other.key)),
            Unusable::KeyMismatch
        );
        assert_eq!(
            mixed(|mixed, other| mixed.ca_certificate.clone_from(&other.ca_certificate)),
            Unusable::OtherAuthority
        );
        assert_eq!(
            mixed(|mixed, other| mixed.ca_key.clone_from(&other.ca_key)),
            Unusable::AuthorityKeyMismatch
        );
        let garbage = mixed(|mixed, _| mixed.certificate = "garbage".to_owned());
        assert!(
            garbage.to_string().starts_with("tls.crt cannot be read"),
            "{garbage}"
        );
        let mut data = one.to_data();
        assert_eq!(Identity::from_data(&data).unwrap(), one);
        data.remove("ca.key");
        assert_eq!(
            Identity::from_data(&data).unwrap_err().to_string(),
            "ca.key is missing or not text"
        );
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert!(!format!("{:?}", identity(SystemTime::now())).contains("PRIVATE KEY"));
    }
}
