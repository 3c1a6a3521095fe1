//! Open connections, in two lanes: those of API servers, and all others. Once an API server has called from an address that is
//! known to be one's, it finds most places reserved; until then the others may have them, too.
//!
//! Nobody waits for a place. Where a lane is full, or a client has its share of it, one that has nothing to do is closed for the new
//! one: first one that never carried a request, then one of the client with the most of them, then the one that is idle for longest.
//! Never one whose request is being answered, nor one that was answered a moment ago, because its next request may be on its way.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::cluster::ApiServers;

/// How many connections may be open.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Those of API servers.
    pub api_servers: usize,
    /// All others together. They have both until an API server has called.
    pub others: usize,
    /// Those of one address, which has at most three quarters of its lane.
    pub of_one: usize,
    /// One that was used is not closed for another one until it has been idle for so long.
    pub grace: Duration,
    /// A client has this long to read a large answer.
    pub reading: Duration,
}

/// Open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    api_servers: ApiServers,
    open: Mutex<Vec<Weak<Connection>>>,
}

/// A connection, which has its place until it is dropped or told to close.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: IpAddr,
    state: Mutex<State>,
    close: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    is_leaving: bool,
    is_used: bool,
    is_busy: bool,
    /// Since when it is unused, idle or busy.
    since: Instant,
    /// Since when its client has had a large answer to read.
    reading: Option<Instant>,
}

/// A request that is being answered. It ends with its last clone.
#[derive(Clone, Debug)]
pub(crate) struct Work(Arc<Request>);

#[derive(Debug)]
struct Request(Arc<Connection>);

impl Connections {
    /// None yet.
    pub(crate) fn new(limits: Limits, api_servers: ApiServers) -> Self {
        Self {
            limits,
            api_servers,
            open: Mutex::default(),
        }
    }

    /// A place for a connection of this client; none where all that could be closed for it have work.
    pub(crate) fn admit(&self, peer: IpAddr) -> Option<Arc<Connection>> {
        let limits = self.limits;
        let known = self.api_servers.addresses();
        let is_api_server = known.contains(&peer);
        let places = match is_api_server {
            true => limits.api_servers,
            false if self.api_servers.have_called() => limits.others,
            false => limits.api_servers + limits.others,
        };
        let mut open = self.open();
        open.retain(|other| other.strong_count() > 0);
        let mut lane: Vec<_> = open.iter().filter_map(Weak::upgrade).collect();
        lane.retain(|other| {
            known.contains(&other.peer) == is_api_server && !other.state().is_leaving
        });
        let too_many = (lane.len() + 1).saturating_sub(places);
        let share = limits.of_one.min((places * 3).div_ceil(4));
        let has_share = lane.iter().filter(|other| other.peer == peer).count() >= share;
        if has_share {
            lane.retain(|other| other.peer == peer);
        }
        if !self.close(&lane, too_many.max(usize::from(has_share))) {
            return None;
        }
        let connection = Arc::new(Connection {
            peer,
            state: Mutex::new(State {
                is_leaving: false,
                is_used: false,
                is_busy: false,
                since: Instant::now(),
                reading: None,
            }),
            close: Notify::new(),
        });
        open.push(Arc::downgrade(&connection));
        Some(connection)
    }

    /// Closes one, as there are no file descriptors left.
    pub(crate) fn make_room(&self) {
        let all: Vec<_> = self.open().iter().filter_map(Weak::upgrade).collect();
        self.close(&all, 1);
    }

    /// Closes all, each when its request is answered.
    pub(crate) fn end(&self) {
        for connection in self.open().iter().filter_map(Weak::upgrade) {
            connection.leave();
        }
    }

    /// Tells so many of these to close. Are there enough that have nothing to do?
    fn close(&self, connections: &[Arc<Connection>], many: usize) -> bool {
        if many == 0 {
            return true;
        }
        let mut of_peers: HashMap<IpAddr, usize> = HashMap::new();
        let mut idle = Vec::new();
        for connection in connections {
            let state = *connection.state();
            if state.is_idle(self.limits.grace) {
                *of_peers.entry(connection.peer).or_default() += 1;
                idle.push((connection, state));
            }
        }
        idle.sort_by_key(|(connection, state)| {
            let of_peer = of_peers.get(&connection.peer);
            (state.is_used, Reverse(of_peer.copied()), state.since)
        });
        for (connection, _) in idle.iter().take(many) {
            connection.leave();
        }
        idle.len() >= many
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(self, grace: Duration) -> bool {
        let is_recent = self.is_used && self.since.elapsed() < grace;
        !self.is_leaving && !self.is_busy && !is_recent
    }
}

impl Connection {
    /// Returns when it is to be closed.
    pub(crate) async fn closing(&self) {
        self.close.notified().await;
    }

    /// Returns when the client has had a large answer for so long.
    pub(crate) async fn is_not_read(&self, limit: Duration) {
        while self
            .state()
            .reading
            .is_none_or(|since| since.elapsed() < limit)
        {
            tokio::time::sleep(limit).await;
        }
    }

    /// A request has come.
    pub(crate) fn work(self: &Arc<Self>) -> Work {
        let mut state = self.state();
        (state.is_busy, state.is_used) = (true, true);
        drop(state);
        Work(Arc::new(Request(Arc::clone(self))))
    }

    /// Has a request come yet?
    pub(crate) fn is_used(&self) -> bool {
        self.state().is_used
    }

    fn leave(&self) {
        self.state().is_leaving = true;
        // Remembered, if nobody waits for it yet.
        self.close.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// The client's address.
    pub(crate) fn peer(&self) -> IpAddr {
        self.0.0.peer
    }

    /// From now on the client has a large answer to read.
    pub(crate) fn answers(&self) {
        self.0.0.state().reading = Some(Instant::now());
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_busy = false;
        state.since = Instant::now();
        state.reading = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        api_servers: 0,
        others: 4,
        of_one: 3,
        grace: Duration::ZERO,
        reading: Duration::from_secs(1),
    };

    /// Connections of clients of which none is known to be an API server.
    fn connections(limits: Limits) -> Connections {
        Connections::new(limits, ApiServers::default())
    }

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn admit<const N: usize>(connections: &Connections, peers: [u8; N]) -> [Arc<Connection>; N] {
        peers.map(|number| connections.admit(peer(number)).unwrap())
    }

    /// Of these connections, those that were told to close.
    fn leaving(connections: &[Arc<Connection>]) -> Vec<usize> {
        let indices = 0..connections.len();
        indices
            .filter(|index| connections[*index].state().is_leaving)
            .collect()
    }

    #[test]
    fn one_that_carried_no_request_goes_before_one_that_did() {
        let connections = connections(LIMITS);
        let open = admit(&connections, [1, 1, 2, 2]);
        drop(open[0].work());
        let _work = [open[2].work(), open[3].work()];
        let _new = admit(&connections, [3]);
        assert_eq!(leaving(&open), [1]);
    }

    #[test]
    fn the_longest_idle_goes_first() {
        let connections = connections(LIMITS);
        let open = admit(&connections, [1, 1, 2, 2]);
        for index in [2, 0, 3, 1] {
            drop(open[index].work());
        }
        let _new = admit(&connections, [3]);
        assert_eq!(leaving(&open), [2]);
    }

    #[test]
    fn the_client_with_the_most_idle_ones_loses_one() {
        let connections = connections(LIMITS);
        let open = admit(&connections, [1, 2, 2, 2]);
        for connection in &open {
            drop(connection.work());
        }
        let _new = admit(&connections, [1]);
        assert_eq!(leaving(&open), [1]);
    }

    #[test]
    fn a_client_has_its_share_and_no_more() {
        let connections = connections(LIMITS);
        let open = admit(&connections, [1, 1, 1]);
        let work = open.each_ref().map(Connection::work);
        assert!(connections.admit(peer(1)).is_none());
        let other = admit(&connections, [2]);
        drop(work);
        let _new = admit(&connections, [1]);
        assert_eq!(leaving(&open), [0]);
        assert_eq!(leaving(&other), [0; 0], "it is not that one's to give");
    }

    #[test]
    fn where_all_are_busy_a_new_one_is_refused() {
        let connections = connections(LIMITS);
        let open = admit(&connections, [1, 1, 2, 2]);
        let mut work: Vec<_> = open.iter().map(Connection::work).collect();
        assert!(connections.admit(peer(3)).is_none());
        work.pop();
        let _new = admit(&connections, [3]);
        assert_eq!(leaving(&open), [3]);
    }

    #[test]
    fn what_was_answered_a_moment_ago_is_not_closed() {
        let grace = Duration::from_hours(1);
        let connections = connections(Limits { grace, ..LIMITS });
        let open = admit(&connections, [1, 1, 2, 2]);
        for connection in &open {
            drop(connection.work());
        }
        assert!(connections.admit(peer(3)).is_none());
        assert_eq!(leaving(&open), [0; 0]);
    }

    #[test]
    fn api_servers_find_their_places_whatever_others_hold() {
        let api_servers = ApiServers::of([peer(1)]);
        let limits = Limits {
            api_servers: 4,
            ..LIMITS
        };
        let connections = Connections::new(limits, api_servers.clone());
        let others = admit(&connections, [2, 2, 2, 3, 3, 3, 4, 4]);
        let mut work: Vec<_> = others.iter().map(Connection::work).collect();
        assert!(connections.admit(peer(5)).is_none());
        let _theirs = admit(&connections, [1, 1, 1]);
        assert_eq!(leaving(&others), [0; 0]);
        // From now on, the others have their own places alone.
        assert!(api_servers.called_from(peer(1)));
        work.truncate(2);
        let _new = connections.admit(peer(5));
        assert_eq!(leaving(&others), [3, 4, 5, 6, 7]);
    }
}
