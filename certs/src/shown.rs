//! Serves certificates and updates the status.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::certificate::Certificate;
use crate::pair::Serving;
use crate::resolver::Resolver;
use crate::status::{Problem, Status};

/// The server's certificate and its status.
pub(crate) struct Shown {
    resolver: Arc<Resolver>,
    status: watch::Sender<Status>,
    authority: Option<Certificate>,
}

impl Shown {
    pub(crate) fn new(resolver: Arc<Resolver>) -> Self {
        Self {
            resolver,
            status: watch::Sender::default(),
            authority: None,
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Serves this certificate from now on. `authority` is the CA that signed it, if it is managed here.
    pub(crate) fn show(&mut self, serving: &Serving, authority: Option<&Certificate>) {
        let is_first = !self.resolver.is_ready();
        self.resolver.set(serving.certified_key());
        let is_other = self.authority.as_ref() != authority;
        self.authority = authority.cloned();
        let validity = serving.certificate.validity;
        self.status.send_modify(|status| {
            status.serving_not_before = Some(validity.not_before);
            status.serving_not_after = Some(validity.not_after);
            status.authority_not_after = authority.map(|authority| authority.validity.not_after);
            if !is_first {
                status.serving_rotations += 1;
                status.authority_rotations += u64::from(is_other);
            }
        });
        let until = humantime::format_rfc3339_seconds(validity.not_after);
        tracing::info!(%until, "serving a new certificate");
    }

    /// Reports the current problem: the given one, or that the certificate is not valid now.
    pub(crate) fn report(&self, problem: Option<Problem>, now: SystemTime) {
        self.status.send_if_modified(|status| {
            let problem = problem.or_else(|| out_of_time(status, now));
            let is_other = status.problem != problem;
            match &problem {
                Some(problem) if is_other => {
                    tracing::error!(reason = problem.reason(), "certificates: {problem}");
                }
                None if is_other => tracing::info!("certificates: recovered"),
                _ => {}
            }
            status.problem = problem;
            is_other
        });
    }
}

fn out_of_time(status: &Status, now: SystemTime) -> Option<Problem> {
    let text = |time| humantime::format_rfc3339_seconds(time).to_string();
    let (Some(not_before), Some(not_after)) = (status.serving_not_before, status.serving_not_after)
    else {
        return None;
    };
    if now >= not_after {
        let since = text(not_after);
        Some(Problem::Expired { since })
    } else if now < not_before {
        let from = text(not_before);
        Some(Problem::Clock { from })
    } else {
        None
    }
}
