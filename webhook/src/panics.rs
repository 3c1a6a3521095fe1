//! What a panic, a bug of ours, may cost: one request, and never a task that keeps running without what it needs.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// The outcome of a request's work, or nothing if it panicked. What is shared between requests is in stores that are
/// replaced as a whole, so that a panic leaves nothing half done.
pub(crate) async fn contained<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// Starts a task without which the program is of no use: a panic in it ends the program, and kubelet starts it again.
pub(crate) fn spawn_vital(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async {
        if contained(task).await.is_none() {
            tracing::error!("a task has panicked that nothing works without: ending");
            std::process::abort();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_contained_also_after_a_wait() {
        let panics = async {
            tokio::task::yield_now().await;
            panic!("a bug");
        };
        assert_eq!(contained::<()>(panics).await, None);
        assert_eq!(contained(async { 1 }).await, Some(1));
    }
}
