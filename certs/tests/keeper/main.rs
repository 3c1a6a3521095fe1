//! A keeper with an in-memory API server that fails on demand, and a clock that the test controls.

#![allow(clippy::unwrap_used, reason = "tests")]

mod api;
mod directory;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

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
                    authority: 90 * DAY,
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
async fn the_first_replica_makes_what_all_show_and_nothing_more_is_written() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut one = Replica::new(api.client(), &clock);
    let mut other = Replica::new(api.client(), &clock);
    assert!(!one.status().is_serving(clock.now()));
    one.keep().await.unwrap();
    assert_eq!(api.bundle(), api.secret("ca.crt"));
    let writes = api.writes();
    other.keep().await.unwrap();
    let next = one.keep().await.unwrap();
    assert_eq!(api.writes(), writes);
    assert_eq!(one.shown(), other.shown());
    assert!(one.status().is_serving(clock.now()));
    assert!(next > clock.now());
}

#[tokio::test]
async fn an_empty_secret_is_filled() {
    let (api, clock) = (Api::new(), Clock::new());
    api.empty_secret();
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    assert!(replica.status().is_serving(clock.now()));
    let filled = (api.secret("ca.key"), api.bundle());
    api.empty_secret();
    replica.keep().await.unwrap();
    assert_eq!((api.secret("ca.key"), api.bundle()), filled, "put back");
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
    let old = api.secret("ca.crt");
    assert_eq!(api.bundle(), old);
    assert_eq!(replica.status().serving_rotations, 9);

    clock.advance(Duration::from_hours(10));
    replica.keep().await.unwrap();
    let next = api.secret("next-ca.crt");
    assert_eq!(authorities(&api.bundle()), 2, "announced");
    assert_eq!(api.secret("ca.crt"), old);

    clock.advance(Duration::from_mins(1));
    replica.keep().await.unwrap();
    assert_eq!(api.secret("ca.crt"), next, "promoted");
    assert_eq!(api.secret("next-ca.key"), "");
    assert_eq!(authorities(&api.bundle()), 2, "the old one is trusted yet");
    assert_eq!(replica.status().authority_rotations, 1);

    clock.advance(10 * DAY);
    replica.keep().await.unwrap();
    assert_eq!(api.bundle(), next, "dropped");
    assert_eq!(api.secret("previous-ca.crt"), "");
    assert_eq!(api.secret("dropped-ca.crt"), "");
}

#[tokio::test]
async fn a_lost_secret_is_put_back() {
    let (api, clock) = (Api::new(), Clock::new());
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    let (key, bundle, shown) = (api.secret("ca.key"), api.bundle(), replica.shown());
    api.delete_secret();
    replica.keep().await.unwrap();
    assert_eq!(api.secret("ca.key"), key);
    api.spoil_secret("tls.crt");
    replica.keep().await.unwrap();
    assert_eq!((api.bundle(), replica.shown()), (bundle, shown));
    assert_eq!(replica.status().problem, None);
}

#[tokio::test]
async fn a_replica_that_finds_the_secret_spoilt_leaves_others_trusted() {
    let (api, clock) = (Api::new(), Clock::new());
    Replica::new(api.client(), &clock).keep().await.unwrap();
    let old = api.bundle();
    api.spoil_secret("ca.key");
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
        api.forbid(Some(path));
        assert_eq!(replica.reason().await, "forbidden", "{path}");
        assert_eq!(replica.shown(), None);
        api.forbid(None);
        replica.keep().await.unwrap();
        assert_eq!(replica.status().problem, None);
        assert!(replica.status().is_serving(clock.now()));
    }
}

#[tokio::test]
async fn an_api_server_that_is_away_leaves_the_certificate_until_it_is_over() {
    let clock = Clock::new();
    let nobody = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let mut lost = Replica::new(Client::try_from(nobody).unwrap(), &clock);
    assert_eq!(lost.reason().await, "api_unreachable");

    let api = Api::new();
    let mut replica = Replica::new(api.client(), &clock);
    replica.keep().await.unwrap();
    let shown = replica.shown();
    api.forbid(Some("/"));
    clock.advance(8 * DAY);
    assert_eq!(replica.reason().await, "forbidden");
    assert_eq!(replica.shown(), shown);
    assert!(replica.status().is_serving(clock.now()));
    clock.advance(2 * DAY);
    assert!(!replica.status().is_serving(clock.now()));
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
    assert_eq!(api.bundle(), api.secret("ca.crt"));
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
