//! An API server in memory, as far as the programs ask one, for tests without a cluster. The end-to-end tests have a real one,
//! which cannot be made to forget a permission or to answer late at will.
//!
//! | module | contents |
//! |---|---|
//! | [`ApiServer`] | objects, lists and watches, and failures on demand |
//! | `answer` | the answer to a request |
//! | `applied` | server-side apply of Secrets, with field managers and versions |
//! | [`Https`] | the same over HTTPS |

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "only for tests"
)]

mod answer;
mod applied;
mod https;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use futures::channel::mpsc::UnboundedSender;
use kube::Client;
use serde_json::Value;
use tokio::sync::Semaphore;

pub use applied::Fields;
pub use axum::http::StatusCode;
pub use https::{Https, TOKEN};

/// The events of a watch.
type Watch = UnboundedSender<Result<Bytes, Infallible>>;

/// The API server. Clones share what it holds.
#[derive(Clone)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    /// Reading an object whose path contains this waits for a permit.
    gate: Arc<(&'static str, Semaphore)>,
}

type Access = Box<dyn Fn(&Value) -> bool + Send>;

#[derive(Default)]
struct State {
    /// By path; what is here can be read one by one.
    objects: BTreeMap<String, Value>,
    /// By path; what is here is found by lists and watches.
    lists: BTreeMap<String, Vec<Value>>,
    /// Secrets that were applied, by name.
    applied: BTreeMap<String, applied::Secret>,
    /// That of the last change.
    version: u64,
    /// Open watches, by the path of their list.
    watches: Vec<(String, Watch)>,
    /// Method, path and query of every request, but those of watches.
    asked: Vec<String>,
    /// Requests whose path contains a text are answered with this status.
    failing: Vec<(String, StatusCode)>,
    /// Statuses of the next answers.
    failures: VecDeque<StatusCode>,
    /// Resources that are not served begin with these paths.
    unserved: Vec<&'static str>,
    /// Every change is undone immediately.
    undoes: bool,
    /// No request is answered.
    hangs: bool,
    /// The time that is noted in a configuration when it is changed.
    clock: Option<Box<dyn Fn() -> String + Send>>,
    /// Whether a SubjectAccessReview is allowed, by its spec.
    access: Option<Access>,
    /// Those that are open, and the most at the same time.
    reviews: usize,
    most_reviews: usize,
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::gated("no path contains this")
    }
}

impl ApiServer {
    /// One where reading an object whose path contains this can be made to wait.
    pub fn gated(path: &'static str) -> Self {
        // As etcd's: no object has the first version.
        let state = State {
            version: 1,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            gate: Arc::new((path, Semaphore::new(Semaphore::MAX_PERMITS))),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    fn router(&self) -> Router {
        Router::new()
            .fallback(answer::serve)
            .with_state(self.clone())
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(self.router(), "default")
    }

    /// The object at this path.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.change(|state| state.objects.get(path).cloned())
    }

    /// Somebody writes an object. It may have a version already.
    pub fn put(&self, path: &str, object: Value) {
        self.change(|state| {
            if object["metadata"]["resourceVersion"].is_string() {
                state.objects.insert(path.to_owned(), object);
            } else {
                state.store(path, object);
            }
        });
    }

    /// Somebody changes an object.
    pub fn update(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.get(path).unwrap();
        change(&mut object);
        self.change(|state| state.store(path, object));
    }

    /// Somebody deletes an object.
    pub fn remove_object(&self, path: &str) {
        self.change(|state| state.objects.remove(path));
    }

    /// There is a list at this path.
    pub fn add_list(&self, path: &str) {
        self.change(|state| state.lists.insert(path.to_owned(), Vec::new()));
    }

    /// Adds an object to a list, for those who list from now on.
    pub fn list(&self, path: &str, object: Value) {
        self.change(|state| state.lists.get_mut(path).unwrap().push(object));
    }

    /// As in a cluster without the CRD of resources below this path.
    pub fn unserve(&self, path: &'static str) {
        self.change(|state| {
            state.unserved.push(path);
            state.lists.retain(|list, _| !list.starts_with(path));
            state.objects.retain(|object, _| !object.starts_with(path));
        });
    }

    /// Sends an event to the watches of a list. Returns their number.
    pub fn send(&self, list: &str, what: &str, object: &Value) -> usize {
        // In the order of the API server: first the type.
        let event = format!("{{\"type\":\"{what}\",\"object\":{object}}}\n");
        self.change(|state| {
            let watches = state.watches.iter().filter(|(path, _)| path == list);
            // A watch whose reader has left takes nothing.
            let send = |(_, watch): &(_, Watch)| {
                let _ = watch.unbounded_send(Ok(Bytes::from(event.clone())));
            };
            watches.map(send).count()
        })
    }

    /// Ends the watches of a list.
    pub fn end_watches(&self, list: &str) {
        self.change(|state| state.watches.retain(|(path, _)| path != list));
    }

    /// The lists that are watched, once for each watch.
    pub fn watches(&self) -> Vec<String> {
        self.change(|state| {
            state.watches.retain(|(_, watch)| !watch.is_closed());
            let paths = state.watches.iter().map(|(path, _)| path.clone());
            paths.collect()
        })
    }

    /// What was asked so far: method, path and query.
    pub fn asked(&self) -> Vec<String> {
        self.change(|state| state.asked.clone())
    }

    /// Requests whose path contains this are answered with a failure from now on.
    pub fn fail(&self, path: &str, status: StatusCode) {
        self.change(|state| state.failing.push((path.to_owned(), status)));
    }

    /// Answers requests to this path again, or those to all paths.
    pub fn heal(&self, path: Option<&str>) {
        let heals = |other: &str| path.is_none_or(|path| path == other);
        self.change(|state| state.failing.retain(|(other, _)| !heals(other)));
    }

    /// The next requests fail with these statuses.
    pub fn fail_next(&self, statuses: &[u16]) {
        let statuses = statuses.iter().map(|code| StatusCode::from_u16(*code));
        self.change(|state| state.failures.extend(statuses.map(Result::unwrap)));
    }

    /// Undoes every change immediately from now on.
    pub fn undo(&self) {
        self.change(|state| state.undoes = true);
    }

    /// Answers no request, or answers them again.
    pub fn hang(&self, hangs: bool) {
        self.change(|state| state.hangs = hangs);
    }

    /// Notes this time in a configuration when it is changed.
    pub fn note_times(&self, clock: impl Fn() -> String + Send + 'static) {
        self.change(|state| state.clock = Some(Box::new(clock)));
    }

    /// Answers SubjectAccessReviews, by their spec.
    pub fn allow(&self, access: impl Fn(&Value) -> bool + Send + 'static) {
        self.change(|state| state.access = Some(Box::new(access)));
    }

    /// The most SubjectAccessReviews that were open at the same time.
    pub fn most_reviews(&self) -> usize {
        self.change(|state| state.most_reviews)
    }

    /// From now on, reading what is gated waits.
    pub fn close_gate(&self) {
        self.gate.1.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Ends all waiting.
    pub fn open_gate(&self) {
        self.gate.1.add_permits(1);
    }
}
