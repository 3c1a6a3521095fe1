//! Answers, in memory until their clients have read them. A client that reads nothing holds little, and not for long.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What each answer has room for, whatever the others take: a usual one has a third of it. Times the connections that may be
/// open this is a bound too.
const SMALL: usize = 32 * 1024;

/// What larger answers may have, all together, in KiB.
const LARGE: usize = 16 * 1024;

/// Bytes that are given to a connection at a time. It takes the next ones when it has written nearly all of them.
const PART: usize = 16 * 1024;

/// The room for answers; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Answers(Arc<Semaphore>);

/// A large answer that is not written yet. Its connection finds it among the response's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Unsent(watch::Receiver<()>);

impl Unsent {
    /// Returns when the answer is written, or dropped.
    pub(crate) async fn sent(mut self) {
        // Nothing is ever sent over it: it ends with the answer.
        while self.0.changed().await.is_ok() {}
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE)))
    }
}

impl Answers {
    /// The same answer with room for it, for which it waits.
    pub(crate) async fn hold(&self, response: Response) -> Response {
        let length = response.body().size_hint().exact();
        if length.is_some_and(|length| length <= SMALL as u64) {
            return response;
        }
        let (mut head, body) = response.into_parts();
        // The body is in memory already: it cannot fail.
        let bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .unwrap_or_default();
        // None has more than all may have together: a patch has its own bound.
        let kib = bytes.len().div_ceil(1024).min(LARGE);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        // Only a closed semaphore has none to give, and nothing closes it.
        let room = Arc::clone(&self.0).acquire_many_owned(kib).await.ok();
        let (unsent, receiver) = watch::channel(());
        head.extensions.insert(Unsent(receiver));
        let waiting = Held {
            rest: bytes,
            _room: room,
            _unsent: unsent,
        };
        Response::from_parts(head, Body::new(waiting))
    }
}

/// What is left of an answer, and its room.
struct Held {
    rest: Bytes,
    _room: Option<OwnedSemaphorePermit>,
    _unsent: watch::Sender<()>,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.rest.len().min(PART);
        if part == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use futures::FutureExt as _;

    use super::*;

    async fn hold(answers: &Answers, bytes: usize) -> Response {
        answers.hold(vec![b'x'; bytes].into_response()).await
    }

    #[tokio::test]
    async fn large_answers_have_room_together_until_they_are_written_and_small_ones_always() {
        let answers = Answers::default();
        let all = LARGE * 1024;
        let held = hold(&answers, all).await;
        assert!(hold(&answers, SMALL + 1).now_or_never().is_none());
        assert!(hold(&answers, SMALL).now_or_never().is_some());
        let unsent = held.extensions().get::<Unsent>().unwrap().clone();
        assert!(unsent.clone().sent().now_or_never().is_none());
        assert_eq!(held.body().size_hint().exact(), Some(all as u64));
        let written = axum::body::to_bytes(held.into_body(), all).await.unwrap();
        assert_eq!(written.len(), all);
        unsent.sent().await;
        assert!(hold(&answers, SMALL + 1).now_or_never().is_some());
    }
}
