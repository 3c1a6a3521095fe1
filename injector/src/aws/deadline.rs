//! When all calls must be done.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::Cause;

/// When all calls must be done.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    whole: Duration,
}

impl Deadline {
    /// A deadline this long from now.
    pub fn after(whole: Duration) -> Self {
        Self {
            at: Instant::now() + whole,
            whole,
        }
    }

    /// Half of what is left: what a first region may use where there is a second one.
    #[must_use]
    pub fn half(self) -> Self {
        let left = self.at.saturating_duration_since(Instant::now()) / 2;
        Self {
            at: Instant::now() + left,
            whole: left,
        }
    }

    /// The work's output, or nothing if the deadline comes first.
    pub(super) async fn limit<T>(self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.at, work).await.ok()
    }

    /// The failure when it has passed. `last` is how the last attempt failed, if one did.
    pub(super) fn missed(self, last: Option<Cause>) -> Cause {
        Cause::Deadline {
            seconds: self.whole.as_secs(),
            last: last.map(Box::new),
        }
    }
}
