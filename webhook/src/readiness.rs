//! Can the webhook answer reviews? What `/readyz` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use certs::Resolver;

use crate::stores::Stores;

/// What has to be there before reviews can be answered.
pub struct Readiness {
    stores: Stores,
    resolver: Arc<Resolver>,
    ending: AtomicBool,
}

impl Readiness {
    /// Of these stores and this certificate.
    pub fn new(stores: Stores, resolver: Arc<Resolver>) -> Self {
        Self {
            stores,
            resolver,
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
        if !self.resolver.is_ready() {
            missing.push("there is no certificate to show".to_owned());
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing.join("; "))
        }
    }
}
