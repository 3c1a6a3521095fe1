//! Whether the webhook can answer reviews, for `/readyz`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use certs::Status;
use tokio::sync::watch;

use crate::cluster::stores::Stores;

/// What reviews need before they can be answered.
pub(crate) struct Readiness {
    stores: Stores,
    certificates: watch::Receiver<Status>,
    is_shutting_down: AtomicBool,
}

impl Readiness {
    /// Of these stores and these certificates.
    pub(crate) fn new(stores: Stores, certificates: watch::Receiver<Status>) -> Self {
        Self {
            stores,
            certificates,
            is_shutting_down: AtomicBool::new(false),
        }
    }

    /// From now on it is not ready.
    pub(crate) fn shut_down(&self) {
        self.is_shutting_down.store(true, Ordering::Relaxed);
    }

    /// Is it shutting down?
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.is_shutting_down.load(Ordering::Relaxed)
    }

    /// The state of the certificates.
    pub(crate) fn certificates(&self) -> Status {
        self.certificates.borrow().clone()
    }

    /// What is missing, in a line.
    ///
    /// # Errors
    /// Everything that stands in the way.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut missing = Vec::new();
        if self.is_shutting_down() {
            missing.push("shutting down".to_owned());
        }
        let waiting = self
            .stores
            .states()
            .into_iter()
            .filter(|store| !store.can_answer);
        missing.extend(waiting.map(|store| format!("the watch of {} has not started", store.kind)));
        let certificates = self.certificates();
        if !certificates.is_serving(SystemTime::now()) {
            let why = certificates.problem.map_or_else(
                || "not issued yet".to_owned(),
                |problem| problem.to_string(),
            );
            missing.push(format!("no valid serving certificate: {why}"));
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing.join("; "))
        }
    }
}
