//! A keeper with an in-memory API server that fails on demand, and a clock that the test controls.

#![allow(clippy::unwrap_used, reason = "tests")]

mod api;
mod directory;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use api_server::StatusCode;
use certs::issue::issue_authority;
use certs::{
    Configuration, Keeper, Lifetimes, Problem, Resolver, SecretSource, Settings, Source, Status,
};
use kube::Client;

use api::Api;

const DAY: Duration = Duration::from_hours(24);

/// A clock that stands still until the test moves it.
#[derive(Clone)]
struct Clock(Arc<Mutex<SystemTime>>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::now())))
    }

    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }

    fn advance(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

struct Replica {
    keeper: Keeper,
    resolver: Arc<Resolver>,
}

impl Replica {
    fn new(client: Client, clock: &Clock) -> Self {
        Self::with_lifetime(client, clock, 90 * DAY)
    }

    fn with_lifetime(client: Client, clock: &Clock, authority: Duration) -> Self {
        let source = SecretSource {
            client,
            namespace: "ns".to_owned(),
            name: "certificates".to_owned(),
            configurations: vec![
                Configuration::Mutating("webhook".to_owned()),
                Configuration::Validating("webhook".to_owned()),
            ],
            settings: Settings {
                names: vec!["webhook.ns.svc".to_owned()],
                lifetimes: Lifetimes {
                    authority,
                    serving: 9 * DAY,
                },
            },
        };
        Self::of(Source::Secret(Box::new(source)), clock)
    }

    fn of(source: Source, clock: &Clock) -> Self {
        let resolver = Arc::<Resolver>::default();
        let clock = clock.clone();
        let keeper = Keeper::new(source, Arc::clone(&resolver)).with_clock(move || clock.now());
        Self { keeper, resolver }
    }

    async fn keep(&mut self) -> Result<SystemTime, Problem> {
        self.keeper.keep().await
    }

    /// The problem that it reports. Its status has the same one.
    async fn reason(&mut self) -> &'static str {
        let problem = self.keep().await.unwrap_err();
        assert_eq!(self.status().problem.as_ref(), Some(&problem));
        assert!(Problem::REASONS.contains(&problem.reason()));
        problem.reason()
    }

    fn status(&self) -> Status {
        self.keeper.status().borrow().clone()
    }

    fn shown(&self) -> Option<Vec<u8>> {
        let current = self.resolver.current()?;
        Some(current.cert[0].to_vec())
    }
}

fn authorities(bundle: &str) -> usize {
    bundle.matches("BEGIN CERTIFICATE").count()
}

#[tokio::test]
async fn the_first_replica_makes_the_authority_of_all_and_nothing_more_is_written() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut one = Replica::new(api.client(), &clock);
    let mut other = Replica::new(api.client(), &clock);
    assert!(!one.status().is_serving(clock.now()));
    one.keep().await.unwrap();
    assert_eq!(authorities(&api.bundle()), 1);
    assert!(api.secret("signing.pem").starts_with(&api.bundle()));
    let writes = api.writes();
    other.keep().await.unwrap();
    let next = one.keep().await.unwrap();
    assert_eq!(api.writes(), writes);
    assert_ne!(one.shown(), other.shown(), "each has a key of its own");
    assert!(one.status().is_serving(clock.now()));
    assert!(other.status().is_serving(clock.now()));
    assert!(next > clock.now());
}

#[tokio::test]
async fn an_empty_secret_is_filled() {
    let (api, clock) = (Api::new(), Clock::new());
    api.empty_secret();
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    assert!(replica.status().is_serving(clock.now()));
    let filled = (api.secret("signing.pem"), api.bundle());
    api.empty_secret();
    replica.keep().await.unwrap();
    let restored = (api.secret("signing.pem"), api.bundle());
    assert_eq!(restored, filled, "put back");
}

#[tokio::test]
async fn an_authority_is_exchanged_with_an_overlap() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    for _ in 0..9 {
        clock.advance(Duration::from_hours(159));
        replica.keep().await.unwrap();
    }
    let old = api.bundle();
    assert_eq!(authorities(&old), 1);
    assert_eq!(replica.status().serving_rotations, 9);

    clock.advance(Duration::from_hours(10));
    replica.keep().await.unwrap();
    assert_eq!(authorities(&api.bundle()), 2, "the next one is announced");
    assert_eq!(replica.status().authority_rotations, 0);

    clock.advance(16 * DAY);
    replica.keep().await.unwrap();
    assert_eq!(
        replica.status().authority_rotations,
        0,
        "it signs while it can"
    );

    clock.advance(6 * DAY);
    replica.keep().await.unwrap();
    assert_eq!(replica.status().authority_rotations, 1);
    assert_eq!(api.secret("retired.pem"), old, "its key is gone");
    assert_eq!(authorities(&api.secret("signing.pem")), 1);
    assert_eq!(authorities(&api.bundle()), 2, "it is trusted");

    clock.advance(9 * DAY);
    replica.keep().await.unwrap();
    assert_eq!(authorities(&api.bundle()), 1, "it has expired");
    assert!(!api.bundle().contains(&old));
    assert_eq!(api.secret("retired.pem"), "");
}

#[tokio::test]
async fn a_lost_secret_is_put_back() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    let (secret, bundle, shown) = (api.secret("signing.pem"), api.bundle(), replica.shown());
    api.delete_secret();
    replica.keep().await.unwrap();
    assert_eq!(api.secret("signing.pem"), secret);
    api.spoil_secret("signing.pem");
    replica.keep().await.unwrap();
    assert_eq!((api.bundle(), replica.shown()), (bundle, shown));
    assert_eq!(replica.status().problem, None);
}

#[tokio::test]
async fn a_replica_that_finds_the_secret_spoilt_leaves_others_trusted() {
    let (api, clock) = (Api::new(), Clock::new());
    Replica::new(api.client(), &clock).keep().await.unwrap();
    let old = api.bundle();
    api.spoil_secret("signing.pem");
    let mut new = Replica::new(api.client(), &clock);
    new.keep().await.unwrap();
    assert!(api.bundle().contains(&old), "the other may still show its");
    assert_eq!(new.shown(), None, "API servers may not know it yet");
    clock.advance(Duration::from_secs(10));
    new.keep().await.unwrap();
    assert!(new.status().is_serving(clock.now()));
}

#[tokio::test]
async fn a_missing_right_is_named_and_heals() {
    for path in ["secrets", "mutatingwebhook", "validatingwebhook"] {
        let (api, clock) = (Api::new(), Clock::new());
        let mut replica = Replica::new(api.client(), &clock);
        api.fail(path, StatusCode::FORBIDDEN);
        assert_eq!(replica.reason().await, "forbidden", "{path}");
        assert_eq!(replica.shown(), None);
        api.heal(None);
        replica.keep().await.unwrap();
        assert_eq!(replica.status().problem, None);
        assert!(replica.status().is_serving(clock.now()));
    }
}

#[tokio::test]
async fn while_the_api_server_is_away_a_known_authority_renews_the_certificate() {
    let clock = Clock::new();
    let nobody = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let mut lost = Replica::new(Client::try_from(nobody).unwrap(), &clock);
    assert_eq!(lost.reason().await, "api_unreachable");

    let api = Api::new();
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    let shown = replica.shown();
    api.fail("/", StatusCode::FORBIDDEN);
    clock.advance(5 * DAY);
    assert_eq!(replica.reason().await, "forbidden");
    assert_eq!(replica.shown(), shown);
    for _ in 0..14 {
        clock.advance(6 * DAY);
        assert_eq!(replica.reason().await, "forbidden");
        assert!(replica.status().is_serving(clock.now()));
    }
    assert_ne!(replica.shown(), shown);
    clock.advance(2 * DAY);
    assert_eq!(replica.reason().await, "forbidden");
    assert!(!replica.status().is_serving(clock.now()));
    api.heal(None);
    replica.keep().await.unwrap();
    assert!(replica.status().is_serving(clock.now()), "at once");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_answers_does_not_stop_the_renewal() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    api.hang(true);
    assert_eq!(replica.reason().await, "api_unreachable");
    clock.advance(8 * DAY);
    assert_eq!(replica.reason().await, "api_unreachable");
    clock.advance(8 * DAY);
    assert!(replica.status().is_serving(clock.now()));
}

#[tokio::test]
async fn somebody_who_undoes_every_write_is_reported() {
    let (api, clock) = (Api::new(), Clock::new());
    api.undo();
    let mut replica = Replica::new(api.client(), &clock);
    assert_eq!(replica.reason().await, "conflict");
    let text = replica.status().problem.unwrap().to_string();
    assert!(
        text.starts_with("MutatingWebhookConfiguration webhook: "),
        "{text}"
    );
    assert_eq!(replica.shown(), None);
}

#[tokio::test]
async fn everything_is_over_after_a_long_sleep_and_heals() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    clock.advance(1000 * DAY);
    replica.keep().await.unwrap();
    assert!(replica.status().is_serving(clock.now()));
    assert_eq!(authorities(&api.bundle()), 1);
}

#[tokio::test]
async fn a_clock_that_was_wrong_by_a_day_heals() {
    let (api, clock) = (Api::new(), Clock::new());
    let ahead = Clock::new();
    ahead.advance(DAY);
    Replica::new(api.client(), &ahead).keep().await.unwrap();
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    clock.advance(Duration::from_secs(10));
    replica.keep().await.unwrap();
    assert!(replica.status().is_serving(clock.now()));
}

/// A CA with the webhook's common name: its certificate, and its certificate with its key.
fn planted(clock: &Clock, lifetime: Duration) -> [String; 2] {
    let names = ["webhook.ns.svc".to_owned()];
    let authority = issue_authority(&names, clock.now(), lifetime).unwrap();
    let pem = authority.certificate.pem.clone();
    [pem.clone(), pem + authority.key()]
}

#[tokio::test]
async fn an_authority_that_lives_longer_than_configured_is_not_taken_over_from_the_secret() {
    for lifetime in [91 * DAY, 36_500 * DAY] {
        for is_signing in [false, true] {
            let (api, clock) = (Api::new(), Clock::new());
            let mut replica = Replica::new(api.client(), &clock);
            replica.keep().await.unwrap();
            let bundle = api.bundle();
            let signing = api.secret("signing.pem");
            let [certificate, with_key] = planted(&clock, lifetime);
            if is_signing {
                api.plant("signing.pem", &(signing.clone() + &with_key));
            } else {
                api.plant("retired.pem", &certificate);
            }
            // Also by a replica that starts now.
            let mut new = Replica::new(api.client(), &clock);
            new.keep().await.unwrap();
            replica.keep().await.unwrap();
            assert_eq!(api.bundle(), bundle, "{lifetime:?} {is_signing}");
            assert_eq!(api.secret("signing.pem"), signing);
            assert_eq!(api.secret("retired.pem"), "");
            assert_eq!(replica.status().problem, None);
        }
    }
}

#[tokio::test]
async fn one_that_lives_as_long_as_configured_is_taken_over() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    let [certificate, _] = planted(&clock, 90 * DAY);
    api.plant("retired.pem", &certificate);
    replica.keep().await.unwrap();
    assert!(api.bundle().contains(&certificate));
}

#[tokio::test]
async fn one_in_every_bundle_leaves_once_others_have_been_trusted_for_an_hour() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    let own = api.bundle();
    let [certificate, _] = planted(&clock, 36_500 * DAY);
    api.plant_bundle(&(certificate.clone() + &own));
    replica.keep().await.unwrap();
    assert_eq!(api.secret("retired.pem"), "", "it is not taken over");
    clock.advance(Duration::from_mins(61));
    replica.keep().await.unwrap();
    assert_eq!(api.bundle(), own);
}

#[tokio::test]
async fn a_lowered_lifetime_replaces_the_authority_without_a_gap_or_a_fight() {
    let (api, clock) = (Api::new(), Clock::new());
    api.note_changes(&clock);
    let mut old = Replica::with_lifetime(api.client(), &clock, 3650 * DAY);
    old.keep().await.unwrap();
    let before = api.bundle();
    let mut new = Replica::new(api.client(), &clock);
    new.keep().await.unwrap();
    old.keep().await.unwrap();
    clock.advance(Duration::from_secs(10));
    new.keep().await.unwrap();
    assert!(new.status().is_serving(clock.now()));
    assert_eq!(api.secret("retired.pem"), before, "its key is gone");
    assert!(api.bundle().contains(&before), "the old replica serves it");
    // The rollout takes hours, and the old replica restores what it knows.
    for _ in 0..4 {
        clock.advance(Duration::from_mins(61));
        new.keep().await.unwrap();
        old.keep().await.unwrap();
        new.keep().await.unwrap();
        assert_eq!(new.status().problem, None);
        assert!(api.bundle().contains(&before));
    }
    drop(old);
    for _ in 0..2 {
        clock.advance(Duration::from_mins(61));
        new.keep().await.unwrap();
    }
    assert!(!api.bundle().contains(&before));
    assert_eq!(authorities(&api.bundle()), 1);
    assert_eq!(api.secret("retired.pem"), "");
    assert!(new.status().is_serving(clock.now()));
}
