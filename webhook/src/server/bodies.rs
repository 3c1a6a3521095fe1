//! Bodies of requests, in memory as they arrive. What is announced beyond what each body has room for counts for nothing: a
//! client that announces much and sends little holds little.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest body that is read: the API server's own bound for a request, and some for the rest of the review.
const LARGEST: usize = 4 * 1024 * 1024;

/// What each body has room for, whatever the others take: a usual review has a third of it. Times the connections that may
/// be open this is a bound too.
const SMALL: usize = 32 * 1024;

/// What bodies may have beyond that, all together, in KiB.
const BEYOND: usize = 16 * 1024;

/// How long a body may take. The API server has all of it when it begins to send.
pub(crate) const TIME: Duration = Duration::from_secs(5);

/// The room for bodies; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Bodies(Arc<Semaphore>);

/// A body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// Larger than any review.
    #[error("the body has more than {LARGEST} bytes")]
    TooLarge,
    /// It did not come in time.
    #[error("the body did not arrive within {} seconds", TIME.as_secs())]
    TooSlow,
    /// The connection broke.
    #[error("the body ended early")]
    Broken,
}

impl Unread {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BEYOND)))
    }
}

impl Bodies {
    /// Reads a body.
    pub(crate) async fn read(&self, head: &Parts, body: Body) -> Result<ReadBody, Unread> {
        let announced = head.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > LARGEST) {
            return Err(Unread::TooLarge);
        }
        let first = announced.unwrap_or_default().min(SMALL);
        match tokio::time::timeout(TIME, self.collect(body, first)).await {
            Ok(read) => read,
            Err(_) => Err(Unread::TooSlow),
        }
    }

    /// Collects a body, which has a capacity of `first` bytes to begin with.
    async fn collect(&self, body: Body, first: usize) -> Result<ReadBody, Unread> {
        let mut frames = body.into_data_stream();
        let mut bytes = Vec::with_capacity(first);
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = frames.next().await {
            let frame: Bytes = frame.map_err(|_| Unread::Broken)?;
            let length = bytes.len() + frame.len();
            if length > LARGEST {
                return Err(Unread::TooLarge);
            }
            let has = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let needs = length.saturating_sub(SMALL).div_ceil(1024);
            if needs > has {
                // Waits for others to end; they have as long as this one.
                let more = u32::try_from(needs - has).unwrap_or(u32::MAX);
                let more = Arc::clone(&self.0).acquire_many_owned(more).await;
                // Only a closed semaphore has none to give, and nothing closes it.
                let more = more.map_err(|_| Unread::Broken)?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
            }
            bytes.extend_from_slice(&frame);
        }
        Ok(ReadBody { bytes, _room: room })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::Request;
    use futures::channel::mpsc::{UnboundedSender, unbounded};
    use futures::poll;

    use super::*;

    type Sender = UnboundedSender<Result<Bytes, Infallible>>;

    /// A body that arrives as it is sent; one that announces a length.
    fn body() -> (Sender, Body) {
        let (sender, receiver) = unbounded();
        (sender, Body::from_stream(receiver))
    }

    fn head(announced: usize) -> Parts {
        let request = Request::post("/").header(CONTENT_LENGTH, announced);
        request.body(()).unwrap().into_parts().0
    }

    fn send(sender: &Sender, bytes: usize) {
        sender.unbounded_send(Ok(vec![b' '; bytes].into())).unwrap();
    }

    #[tokio::test]
    async fn what_is_announced_takes_no_room_and_what_arrived_does() {
        let bodies = Bodies::default();
        let announced = head(LARGEST);
        let slow: Vec<_> = (0..100).map(|_| body()).collect();
        let mut waiting = Vec::new();
        let mut senders = Vec::new();
        for (sender, body) in slow {
            send(&sender, SMALL);
            senders.push(sender);
            let mut read = Box::pin(bodies.read(&announced, body));
            assert!(poll!(&mut read).is_pending());
            waiting.push(read);
        }
        let (sender, body) = body();
        send(&sender, LARGEST);
        drop(sender);
        let read = bodies.read(&announced, body).await.unwrap();
        assert_eq!(read.bytes.len(), LARGEST);
    }

    #[tokio::test]
    async fn a_small_body_waits_for_no_large_one() {
        let bodies = Bodies::default();
        let head = head(LARGEST);
        let mut large = Vec::new();
        for _ in 0..5 {
            let (sender, body) = body();
            send(&sender, LARGEST);
            let mut read = Box::pin(bodies.read(&head, body));
            assert!(poll!(&mut read).is_pending());
            large.push((sender, read));
        }
        let (sender, small) = body();
        send(&sender, SMALL);
        drop(sender);
        bodies.read(&head, small).await.unwrap();
        let (sender, another) = body();
        send(&sender, LARGEST);
        drop(sender);
        let mut another = Box::pin(bodies.read(&head, another));
        assert!(poll!(&mut another).is_pending());
        large.clear();
        another.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let bodies = Bodies::default();
        let (sender, slow) = body();
        send(&sender, SMALL + 1);
        let error = bodies.read(&head(LARGEST), slow).await.unwrap_err();
        assert_eq!(error, Unread::TooSlow);
        assert_eq!(bodies.0.available_permits(), BEYOND);
    }

    #[tokio::test]
    async fn a_body_has_a_largest_size_whether_it_is_announced_or_not() {
        let bodies = Bodies::default();
        let (_sender, announced) = body();
        let read = bodies.read(&head(LARGEST + 1), announced).await;
        assert_eq!(read.unwrap_err(), Unread::TooLarge);
        let (sender, larger) = body();
        send(&sender, LARGEST + 1);
        let read = bodies.read(&head(0), larger).await;
        assert_eq!(read.unwrap_err(), Unread::TooLarge);
    }
}
