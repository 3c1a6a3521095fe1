//! Can the webhook answer reviews? What `/readyz` says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use certs::Status;
use tokio::sync::watch;

use crate::stores::Stores;

/// What has to be there before reviews can be answered.
pub struct Readiness {
    stores: Stores,
    certificates: watch::Receiver<Status>,
    ending: AtomicBool,
}

impl Readiness {
    /// Of these stores and these certificates.
    pub fn new(stores: Stores, certificates: watch::Receiver<Status>) -> Self {
        Self {
            stores,
            certificates,
            ending: AtomicBool::new(false),
        }
    }

    /// From now on it is not ready, and never again.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Was it told to end?
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// How it goes with the certificates.
    pub fn certificates(&self) -> Status {
        self.certificates.borrow().clone()
    }

    /// What is missing, in a line.
    ///
    /// # Errors
    /// Everything that stands in the way.
    pub fn check(&self) -> Result<(), String> {
        let mut missing = Vec::new();
        if self.is_ending() {
            missing.push("ending".to_owned());
        }
        let waiting = self
            .stores
            .states()
            .into_iter()
            .filter(|store| !store.can_answer);
        missing.extend(waiting.map(|store| format!("the watch of {} has not begun", store.kind)));
        let certificates = self.certificates();
        if !certificates.is_serving(SystemTime::now()) {
            let why = certificates
                .problem
                .map_or_else(|| "not made yet".to_owned(), |problem| problem.to_string());
            missing.push(format!("there is no valid certificate to show: {why}"));
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing.join("; "))
        }
    }
}
