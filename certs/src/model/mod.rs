//! Tests the rules under every interleaving: replicas stop between any two requests, restart, and have different clocks, while
//! objects are deleted and damaged.

mod trust;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use crate::Lifetimes;
use crate::replica::Settings;
use world::World;

/// An event.
#[derive(Clone, Debug)]
enum Event {
    /// A replica runs this number of steps.
    Steps(usize, usize),
    /// A replica runs until it waits.
    Look(usize),
    /// A replica runs, but its requests fail.
    Alone(usize),
    Crash(usize),
    /// Time passes, in thousandths of the CA's lifetime.
    Time(u32),
    DeleteSecret,
    SpoilSecret(&'static str),
    /// A bundle is emptied.
    Overwrite(usize),
    DeleteConfiguration(usize),
}

const REPLICAS: usize = 3;
const CONFIGURATIONS: usize = 2;

fn event() -> impl Strategy<Value = Event> {
    let field = prop::sample::select(vec!["signing.pem", "retired.pem"]);
    prop_oneof![
        20 => (0..REPLICAS, 1..6usize).prop_map(|(replica, steps)| Event::Steps(replica, steps)),
        10 => (0..REPLICAS).prop_map(Event::Look),
        3 => (0..REPLICAS).prop_map(Event::Alone),
        1 => (0..REPLICAS).prop_map(Event::Crash),
        8 => (1..150u32).prop_map(Event::Time),
        1 => (500..3000u32).prop_map(Event::Time),
        1 => Just(Event::DeleteSecret),
        1 => field.prop_map(Event::SpoilSecret),
        1 => (0..CONFIGURATIONS).prop_map(Event::Overwrite),
        1 => (0..CONFIGURATIONS).prop_map(Event::DeleteConfiguration),
    ]
}

fn settings(authority: Duration, serving: Duration) -> Settings {
    Settings {
        names: vec!["webhook.ns.svc".to_owned()],
        lifetimes: Lifetimes { authority, serving },
    }
}

/// Clocks differ by up to an hour if certificates are valid for days, and by seconds if they are valid for a minute.
fn world() -> impl Strategy<Value = World> {
    let days = prop::collection::vec(-1800..1800i64, REPLICAS).prop_map(|skews| {
        let day = Duration::from_hours(24);
        World::new(settings(90 * day, 20 * day), CONFIGURATIONS, &skews)
    });
    let seconds = prop::collection::vec(-1..2i64, REPLICAS).prop_map(|skews| {
        let settings = settings(Duration::from_mins(1), Duration::from_secs(40));
        World::new(settings, CONFIGURATIONS, &skews)
    });
    prop_oneof![days, seconds]
}

fn happen(world: &mut World, event: &Event) -> Result<(), String> {
    match *event {
        Event::Steps(replica, steps) => {
            for _ in 0..steps {
                world.step(replica)?;
            }
        }
        Event::Look(replica) => world.run(replica)?,
        Event::Alone(replica) => world.run_alone(replica)?,
        Event::Crash(replica) => world.crash(replica),
        Event::Time(thousandths) => {
            world.now += world.settings.lifetimes.authority * thousandths / 1000;
        }
        Event::DeleteSecret => world.delete_secret(),
        Event::SpoilSecret(field) => world.spoil(field),
        Event::Overwrite(configuration) => world.overwrite(configuration, ""),
        Event::DeleteConfiguration(configuration) => world.delete_configuration(configuration),
    }
    Ok(())
}

/// Fewer cases than usual, because each is long; `PROPTEST_CASES` sets more.
fn cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return config;
    }
    ProptestConfig {
        cases: 64,
        ..config
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_step_of_a_replica_shows_or_leaves_what_a_bundle_does_not_trust(
        mut world in world(),
        events in prop::collection::vec(event(), 1..100),
    ) {
        for event in &events {
            happen(&mut world, event).map_err(TestCaseError::fail)?;
        }
        world.settle().map_err(TestCaseError::fail)?;
    }
}

/// API servers that learn of changes late still use what it was filled with first.
#[test]
fn a_bundle_that_was_emptied_and_filled_between_two_looks_is_new() {
    let settings = settings(Duration::from_mins(1), Duration::from_secs(40));
    let mut world = World::new(settings, CONFIGURATIONS, &[0, 0, 0]);
    let events = [
        Event::Look(0),
        // It has read the Secret with its own CA.
        Event::Steps(0, 1),
        Event::DeleteSecret,
        // Another one adds its CA, and waits.
        Event::Look(1),
        Event::Overwrite(0),
        // The first fills the bundle with its own CA alone, the third with both.
        Event::Steps(0, 3),
        Event::Time(100),
        Event::Look(2),
        Event::Look(1),
    ];
    for event in events {
        happen(&mut world, &event).unwrap();
    }
    world.settle().unwrap();
}

/// Over a long time, every served certificate is valid and trusted at every moment.
fn live(world: &mut World, tick: Duration, ticks: u32) {
    for _ in 0..ticks {
        for replica in 0..REPLICAS {
            world.run(replica).unwrap();
        }
        for replica in 0..REPLICAS {
            world.is_good(replica).unwrap();
        }
        world.now += tick;
    }
}

#[test]
fn certificates_of_days_are_exchanged_for_years() {
    let day = Duration::from_hours(24);
    let mut world = World::new(
        settings(90 * day, 20 * day),
        CONFIGURATIONS,
        &[0, 1800, -1800],
    );
    live(&mut world, day / 2, 2 * 365);
    assert!(world.served.len() >= 5, "{}", world.served.len());
    let [signing, all] = world.authorities();
    assert!(signing <= 2 && all <= 3, "{signing} sign, {all} in all");
}

#[test]
fn certificates_of_half_a_minute_are_exchanged_for_minutes() {
    let shortest = Duration::from_secs(20);
    let mut world = World::new(
        settings(Duration::from_secs(30), shortest),
        CONFIGURATIONS,
        &[0, 1, 0],
    );
    live(&mut world, Duration::from_secs(1), 300);
    assert!(world.served.len() >= 9, "{}", world.served.len());
    let [signing, all] = world.authorities();
    assert!(signing <= 3 && all <= 5, "{signing} sign, {all} in all");
    let mut world = World::new(settings(shortest, shortest), CONFIGURATIONS, &[0, 0, 0]);
    live(&mut world, Duration::from_secs(1), 200);
    assert!(world.served.len() >= 9, "{}", world.served.len());
}

/// Replicas go on without the API server for as long as a CA that they know is valid.
#[test]
fn without_the_api_server_certificates_are_renewed_until_no_authority_is_left() {
    let day = Duration::from_hours(24);
    let mut world = World::new(settings(90 * day, 20 * day), CONFIGURATIONS, &[0, 0, 0]);
    live(&mut world, day, 70);
    for _ in 0..80 {
        for replica in 0..REPLICAS {
            world.run_alone(replica).unwrap();
            world.is_good(replica).unwrap();
        }
        world.now += day;
    }
    // All expire in the end. The first replica that reaches the API server again makes a new CA, and serves at once.
    world.now += 90 * day;
    world.run(0).unwrap();
    world.is_good(0).unwrap();
}
