//! A panic is an internal error. It costs one request, or ends the program if a critical task is lost.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// Sends the messages of panics, which may quote a tenant's text, through the log.
pub(crate) fn log() {
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// The outcome of a request's work, or `None` if it panicked. What requests share is replaced as a whole, so a panic leaves
/// nothing half done.
///
/// A layer around the router, such as tower-http's CatchPanic, would not know the review's uid and resource, which the log
/// and the metrics need.
pub(crate) async fn contained<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// Starts a critical task. If it panics, the program exits and the kubelet restarts it.
pub(crate) fn spawn_vital(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async {
        if contained(task).await.is_none() {
            tracing::error!("a critical task panicked; exiting");
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
