//! Answers, in memory until their clients have read them. A client that reads nothing holds little, and not for long.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::connections::Work;

/// What each answer has room for, whatever the others take: more than a usual one. Times the connections that may be open this is
/// a bound too.
const SMALL: usize = 16 * 1024;

/// Bytes that are given to a connection at a time. It takes the next ones when it has written nearly all of them.
const PART: usize = 16 * 1024;

/// The room of larger answers.
#[derive(Debug)]
pub(crate) struct Answers {
    room: Arc<Semaphore>,
    kib: usize,
}

impl Answers {
    /// Room for so many KiB.
    pub(crate) fn new(kib: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(kib)),
            kib,
        }
    }

    /// The same answer with room for it, for which it waits. Its request is in work until it is written.
    pub(crate) async fn hold(&self, response: Response, work: Option<Work>) -> Response {
        let length = response.body().size_hint().exact();
        if length.is_some_and(|length| length <= SMALL as u64) {
            return response;
        }
        let (head, body) = response.into_parts();
        // The body is in memory already: it cannot fail.
        let bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .unwrap_or_default();
        // None has more than all may have together: a patch has its own bound.
        let kib = bytes.len().div_ceil(1024).min(self.kib);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        // Only a closed semaphore has none to give, and nothing closes it.
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.ok();
        if let Some(work) = &work {
            work.answers();
        }
        let unread = Held {
            rest: bytes,
            _room: room,
            _work: work,
        };
        Response::from_parts(head, Body::new(unread))
    }
}

/// What is left of an answer, and its room.
struct Held {
    rest: Bytes,
    _room: Option<OwnedSemaphorePermit>,
    _work: Option<Work>,
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
        let response = vec![b'x'; bytes].into_response();
        answers.hold(response, None).await
    }

    #[tokio::test]
    async fn large_answers_have_room_together_until_they_are_written_and_small_ones_always() {
        let answers = Answers::new(100);
        let all = 100 * 1024;
        let held = hold(&answers, all).await;
        assert!(hold(&answers, SMALL + 1).now_or_never().is_none());
        assert!(hold(&answers, SMALL).now_or_never().is_some());
        assert_eq!(held.body().size_hint().exact(), Some(all as u64));
        let written = axum::body::to_bytes(held.into_body(), all).await.unwrap();
        assert_eq!(written.len(), all);
        assert!(hold(&answers, SMALL + 1).now_or_never().is_some());
    }
}
