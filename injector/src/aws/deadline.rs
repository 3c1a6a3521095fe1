//! When all calls must be done.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::cause::Cause;

/// When all calls must be done.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    whole: Duration,
    /// Until then, a failure that may pass is waited out.
    patient_until: Option<Instant>,
    is_half: bool,
}

/// The longest that a failure that may pass is waited out.
const LONGEST_PATIENCE: Duration = Duration::from_secs(30);

impl Deadline {
    /// A deadline this long from now.
    pub fn after(whole: Duration) -> Self {
        Self {
            at: Instant::now() + whole,
            whole,
            patient_until: None,
            is_half: false,
        }
    }

    /// The same, but for a quarter of the time, 30 seconds at most, a failure that may pass is waited out: name resolution,
    /// network policies and routes may come later than the pod, and a pod with `restartPolicy: Never` has no second start.
    #[must_use]
    pub fn patient(self) -> Self {
        let patience = (self.whole / 4).min(LONGEST_PATIENCE);
        Self {
            patient_until: Some(Instant::now() + patience),
            ..self
        }
    }

    /// How much longer a failure that may pass is waited out.
    pub(super) fn patience(self) -> Option<Duration> {
        let left = self.patient_until?.checked_duration_since(Instant::now())?;
        (!left.is_zero()).then_some(left)
    }

    /// Half of what is left: what a first region may use where there is a second one. Its failures are not waited out.
    #[must_use]
    pub fn half(self) -> Self {
        let left = self.at.saturating_duration_since(Instant::now()) / 2;
        Self {
            at: Instant::now() + left,
            whole: left,
            patient_until: None,
            is_half: true,
        }
    }

    /// Was it made by [`Self::half`]? Then a later one of the same work may be longer.
    pub fn is_half(self) -> bool {
        self.is_half
    }

    /// The work's output, or nothing if the deadline comes first.
    pub async fn limit<T>(self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.at, work).await.ok()
    }

    /// The failure when it has passed. `last` is how the last attempt failed, if one did.
    pub fn missed(self, last: Option<Cause>) -> Cause {
        Cause::Deadline {
            seconds: self.whole.as_secs(),
            last: last.map(Box::new),
        }
    }
}
