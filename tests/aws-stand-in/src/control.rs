//! The stand-in's own HTTP interface, for people and other programs: the recorded calls and the faults.

use hyper::{Method, Response};

use crate::answers::{Body, JSON, respond};
use crate::state::{State, lock};

/// GET lists the recorded calls.
const CALLS: &str = "/stand-in/calls";
/// POST adds a fault, GET lists all, DELETE removes all.
const FAULTS: &str = "/stand-in/faults";

/// Answers a request to this interface. Calls of AWS are POSTs to other paths.
pub(crate) fn answer(
    state: &State,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Option<Response<Body>> {
    match path {
        FAULTS => Some(faults(state, method, body)),
        CALLS if *method == Method::GET => Some(list(&*lock(&state.calls))),
        _ if *method == Method::GET => Some(respond(404, "text/plain", "not found".to_owned())),
        _ => None,
    }
}

fn faults(state: &State, method: &Method, body: &[u8]) -> Response<Body> {
    let mut faults = lock(&state.faults);
    match *method {
        Method::GET => {}
        Method::DELETE => faults.clear(),
        Method::POST => match serde_json::from_slice(body) {
            Ok(fault) => faults.push(fault),
            Err(error) => return respond(400, "text/plain", format!("not a fault: {error}\n")),
        },
        _ => return respond(405, "text/plain", "GET, POST or DELETE\n".to_owned()),
    }
    list(&*faults)
}

fn list(items: &impl serde::Serialize) -> Response<Body> {
    let json = serde_json::to_string_pretty(items).unwrap_or_default();
    respond(200, JSON, json)
}
