//! Open connections, and which of them is closed where a new one needs its place.
//!
//! Closed is first one that never carried a request: whoever opened it waits for nothing. Then the one that has been idle for
//! longest. Never one whose request is being answered; and none that was opened or answered a moment ago, because its next request
//! may be on its way. Of several clients it is the one with the most idle connections that loses one, and no client has all
//! places: so the API server gets in, however many connections a stranger holds.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How many connections may be open.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of all clients together.
    pub all: usize,
    /// Of one address.
    pub of_one: usize,
    /// A connection is not closed for another one until it has been idle for so long.
    pub grace: Duration,
    /// A client has this long to read a large answer.
    pub reading: Duration,
}

/// Open connections; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    limits: Limits,
    open: Mutex<Open>,
    /// A connection has ended, or has become idle.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    state: State,
    /// It was told to close, and takes no place any more.
    is_leaving: bool,
    close: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// No request has come yet.
    Unused(Instant),
    /// No request is being answered.
    Idle(Instant),
    /// A request is being answered.
    Busy,
}

/// What happens to a new connection.
#[derive(Debug)]
pub(crate) enum Placement {
    /// It has a place.
    Admitted(Place),
    /// Its client has its share, with work for all of it.
    Refused,
    /// There will be a place in a moment.
    Wait,
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Connections,
    id: u64,
    close: Arc<Notify>,
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Work {
    connections: Connections,
    id: u64,
}

impl Connections {
    /// None yet.
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(Pool {
            limits,
            open: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Finds a place for a connection of this client.
    pub(crate) fn admit(&self, peer: IpAddr) -> Placement {
        let limits = self.0.limits;
        let mut open = self.open();
        let places = open.places();
        let of_peer = open.of(peer);
        if of_peer >= limits.of_one {
            if !open.close_one(limits.grace, Some(peer)) {
                return Placement::Refused;
            }
        } else if places >= limits.all && !open.close_one(limits.grace, None) {
            return Placement::Wait;
        }
        let id = open.next;
        open.next += 1;
        let close = Arc::new(Notify::new());
        let entry = Entry {
            peer,
            state: State::Unused(Instant::now()),
            is_leaving: false,
            close: Arc::clone(&close),
        };
        open.entries.insert(id, entry);
        Placement::Admitted(Place {
            connections: self.clone(),
            id,
            close,
        })
    }

    /// Closes one, as there are no file descriptors left.
    pub(crate) fn make_room(&self) {
        self.open().close_one(self.0.limits.grace, None);
    }

    /// Returns when a connection has ended or become idle, or when one may have been idle for long enough.
    pub(crate) async fn changed(&self) {
        let _ = tokio::time::timeout(self.0.limits.grace, self.0.changed.notified()).await;
    }

    /// Closes all, each when its request is answered.
    pub(crate) async fn end(&self) {
        for entry in self.open().entries.values_mut() {
            entry.leave();
        }
        self.empty().await;
    }

    /// Returns when no connection is open.
    pub(crate) async fn empty(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.open().entries.is_empty() {
                return;
            }
            changed.await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, id: u64, state: State) {
        if let Some(entry) = self.open().entries.get_mut(&id) {
            entry.state = state;
        }
        if state != State::Busy {
            self.0.changed.notify_one();
        }
    }
}

impl Place {
    /// How long the client has to read a large answer.
    pub(crate) fn reading(&self) -> Duration {
        self.connections.0.limits.reading
    }

    /// Returns when the connection is to be closed.
    pub(crate) async fn closing(&self) {
        self.close.notified().await;
    }

    /// A request has come.
    pub(crate) fn work(&self) -> Work {
        self.connections.set(self.id, State::Busy);
        Work {
            connections: self.connections.clone(),
            id: self.id,
        }
    }

    /// Is a request being answered?
    pub(crate) fn is_busy(&self) -> bool {
        let open = self.connections.open();
        let entry = open.entries.get(&self.id);
        entry.is_some_and(|entry| entry.state == State::Busy)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().entries.remove(&self.id);
        self.connections.0.changed.notify_one();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.connections.set(self.id, State::Idle(Instant::now()));
    }
}

impl Entry {
    fn leave(&mut self) {
        self.is_leaving = true;
        // Remembered, if nobody waits for it yet.
        self.close.notify_one();
    }

    /// Since when, if it may be closed for another one.
    fn idle(&self, grace: Duration) -> Option<State> {
        let since = match self.state {
            State::Unused(since) | State::Idle(since) => since,
            State::Busy => return None,
        };
        (!self.is_leaving && since.elapsed() >= grace).then_some(self.state)
    }
}

impl Open {
    fn places(&self) -> usize {
        let entries = self.entries.values();
        entries.filter(|entry| !entry.is_leaving).count()
    }

    fn of(&self, peer: IpAddr) -> usize {
        let entries = self.entries.values();
        entries
            .filter(|entry| !entry.is_leaving && entry.peer == peer)
            .count()
    }

    /// Tells an idle connection to close, of this client or of any: those never used come first, then those of the client
    /// with the most idle ones, and of these the one that is idle for longest.
    fn close_one(&mut self, grace: Duration, peer: Option<IpAddr>) -> bool {
        let mut of_peers: HashMap<IpAddr, usize> = HashMap::new();
        let mut idle = Vec::new();
        for (id, entry) in &self.entries {
            if peer.is_none_or(|peer| peer == entry.peer)
                && let Some(state) = entry.idle(grace)
            {
                *of_peers.entry(entry.peer).or_default() += 1;
                idle.push((*id, entry.peer, state));
            }
        }
        let first = idle.iter().min_by_key(|(_, peer, state)| {
            let is_used = matches!(state, State::Idle(_));
            (is_used, Reverse(of_peers.get(peer)), *state)
        });
        let Some(entry) = first.and_then(|(id, ..)| self.entries.get_mut(id)) else {
            return false;
        };
        entry.leave();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        all: 4,
        of_one: 3,
        grace: Duration::ZERO,
        reading: Duration::from_secs(1),
    };

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn admit(connections: &Connections, number: u8) -> Place {
        match connections.admit(peer(number)) {
            Placement::Admitted(place) => place,
            other => panic!("{other:?}"),
        }
    }

    fn is_leaving(place: &Place) -> bool {
        place.connections.open().entries[&place.id].is_leaving
    }

    /// Of these connections, the one that was told to close.
    fn leaving(places: &[&Place]) -> Vec<usize> {
        let indices = 0..places.len();
        indices.filter(|index| is_leaving(places[*index])).collect()
    }

    #[test]
    fn one_that_carried_no_request_goes_before_one_that_did() {
        let connections = Connections::new(LIMITS);
        let (used, unused) = (admit(&connections, 1), admit(&connections, 1));
        drop(used.work());
        let (third, fourth) = (admit(&connections, 2), admit(&connections, 2));
        let (_third, _fourth) = (third.work(), fourth.work());
        let _new = admit(&connections, 3);
        assert_eq!(leaving(&[&used, &unused, &third, &fourth]), [1]);
    }

    #[test]
    fn the_longest_idle_goes_first() {
        let connections = Connections::new(LIMITS);
        let places = [1, 1, 2, 2].map(|number| admit(&connections, number));
        for index in [2, 0, 3, 1] {
            drop(places[index].work());
        }
        let _new = admit(&connections, 3);
        assert_eq!(leaving(&places.each_ref()), [2]);
    }

    #[test]
    fn the_client_with_the_most_idle_ones_loses_one() {
        let connections = Connections::new(LIMITS);
        let api_server = admit(&connections, 1);
        drop(api_server.work());
        let stranger = [2, 2, 2].map(|number| admit(&connections, number));
        for place in &stranger {
            drop(place.work());
        }
        let _new = admit(&connections, 1);
        assert!(!is_leaving(&api_server));
        assert_eq!(leaving(&stranger.each_ref()), [0]);
    }

    #[test]
    fn a_client_has_its_share_and_no_more() {
        let connections = Connections::new(LIMITS);
        let places = [1, 1, 1].map(|number| admit(&connections, number));
        let work = places.each_ref().map(Place::work);
        assert!(matches!(connections.admit(peer(1)), Placement::Refused));
        let other = admit(&connections, 2);
        drop(work);
        let _new = admit(&connections, 1);
        assert_eq!(leaving(&places.each_ref()), [0]);
        assert!(!is_leaving(&other), "it is not that one's to give");
    }

    #[test]
    fn where_all_are_busy_a_new_one_waits() {
        let connections = Connections::new(LIMITS);
        let places = [1, 1, 2, 2].map(|number| admit(&connections, number));
        let mut work: Vec<_> = places.iter().map(Place::work).collect();
        assert!(matches!(connections.admit(peer(3)), Placement::Wait));
        work.pop();
        let _new = admit(&connections, 3);
        assert_eq!(leaving(&places.each_ref()), [3]);
    }

    #[test]
    fn what_came_or_was_answered_a_moment_ago_is_not_closed() {
        let grace = Duration::from_hours(1);
        let connections = Connections::new(Limits { grace, ..LIMITS });
        let places = [1, 1, 2, 2].map(|number| admit(&connections, number));
        drop(places[0].work());
        assert!(matches!(connections.admit(peer(3)), Placement::Wait));
        assert_eq!(leaving(&places.each_ref()), [0; 0]);
    }
}
