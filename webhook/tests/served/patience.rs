//! Waits with an end, so that a fault fails a test instead of hanging it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Longer than anything here takes, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// The output of something that completes in time.
pub(crate) async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(LIMIT, work).await {
        Ok(output) => output,
        Err(elapsed) => panic!("{what}: {elapsed}"),
    }
}

/// Returns when a condition holds.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !in_time(what, condition()).await {
        assert!(Instant::now() < end, "not within {LIMIT:?}: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
