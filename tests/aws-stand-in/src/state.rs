//! The state that all connections share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::Response;
use hyper::body::Bytes;

use crate::{Call, Fault, Moto};

/// moto, the record of calls, and the faults.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) moto: Moto,
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) faults: Mutex<Vec<Fault>>,
    /// The subject for which each access key was issued.
    pub(crate) subjects: Mutex<HashMap<String, String>>,
    /// moto's answers, if they are cached.
    pub(crate) kept: Mutex<Option<Kept>>,
}

impl State {
    /// No calls and no faults yet.
    pub(crate) fn new(moto: Moto) -> Self {
        Self {
            moto,
            calls: Mutex::default(),
            faults: Mutex::default(),
            subjects: Mutex::default(),
            kept: Mutex::default(),
        }
    }
}

/// Answers by operation and body.
pub(crate) type Kept = HashMap<(String, Bytes), Response<Bytes>>;

/// Locks a part of the state. A panic of one connection does not stop the others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
