//! Bodies of requests, in memory as they arrive. What is announced beyond what each body has room for counts for nothing: a
//! client that announces much and sends little holds little.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use futures::StreamExt as _;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::server::refused::{BODY_TIME, LARGEST, Refused};

/// What each body has room for, whatever the others take: more than a usual review. Times the connections that may be open this
/// is a bound too.
const SMALL: usize = 16 * 1024;

/// The room of bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// What they may have beyond the small ones, all together, in KiB.
    beyond: Arc<Semaphore>,
    /// Beyond that, one of them at a time may grow to its end: those that wait for each other would wait forever.
    last: Arc<Mutex<()>>,
}

/// A body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Vec<u8>,
    _room: Grown,
}

#[derive(Debug, Default)]
struct Grown {
    beyond: Option<OwnedSemaphorePermit>,
    last: Option<OwnedMutexGuard<()>>,
}

impl Bodies {
    /// Room for so many KiB, and one largest body.
    pub(crate) fn new(beyond: usize) -> Self {
        Self {
            beyond: Arc::new(Semaphore::new(beyond)),
            last: Arc::default(),
        }
    }

    /// Reads a body.
    pub(crate) async fn read(&self, head: &Parts, body: Body) -> Result<ReadBody, Refused> {
        let announced = head.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > LARGEST) {
            return Err(Refused::TooLarge);
        }
        let first = announced.unwrap_or_default().min(SMALL);
        match tokio::time::timeout(BODY_TIME, self.collect(body, first)).await {
            Ok(read) => read,
            Err(_) => Err(Refused::TooSlow),
        }
    }

    /// Collects a body, which has a capacity of `first` bytes to begin with.
    async fn collect(&self, body: Body, first: usize) -> Result<ReadBody, Refused> {
        let mut frames = body.into_data_stream();
        let mut bytes = Vec::with_capacity(first);
        let mut room = Grown::default();
        while let Some(frame) = frames.next().await {
            let frame: Bytes = frame.map_err(|_| Refused::Broken)?;
            let length = bytes.len() + frame.len();
            if length > LARGEST {
                return Err(Refused::TooLarge);
            }
            self.grow(&mut room, length.saturating_sub(SMALL).div_ceil(1024))
                .await;
            bytes.extend_from_slice(&frame);
        }
        Ok(ReadBody { bytes, _room: room })
    }

    /// Makes it room for so many KiB.
    async fn grow(&self, room: &mut Grown, kib: usize) {
        let has = room.beyond.as_ref();
        let has = has.map_or(0, OwnedSemaphorePermit::num_permits);
        if kib <= has || room.last.is_some() {
            return;
        }
        let more = u32::try_from(kib - has).unwrap_or(u32::MAX);
        match Arc::clone(&self.beyond).try_acquire_many_owned(more) {
            Ok(more) => match &mut room.beyond {
                Some(beyond) => beyond.merge(more),
                none => *none = Some(more),
            },
            Err(_) => room.last = Some(Arc::clone(&self.last).lock_owned().await),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::Request;
    use futures::channel::mpsc::{UnboundedSender, unbounded};
    use futures::poll;

    use super::*;

    const BEYOND: usize = 16 * 1024;

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
        let bodies = Bodies::new(BEYOND);
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
        let bodies = Bodies::new(BEYOND);
        let head = head(LARGEST);
        let mut large = Vec::new();
        for _ in 0..6 {
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

    #[tokio::test]
    async fn large_bodies_that_grow_together_all_come_to_their_end() {
        let bodies = Bodies::new(BEYOND);
        let head = head(LARGEST);
        let mut senders = Vec::new();
        let mut reads = Vec::new();
        for _ in 0..8 {
            let (sender, body) = body();
            let mut read = Box::pin(bodies.read(&head, body));
            send(&sender, LARGEST * 3 / 4);
            // Some of them wait here already.
            assert!(poll!(&mut read).is_pending());
            senders.push(sender);
            reads.push(read);
        }
        for sender in senders {
            send(&sender, LARGEST / 4);
        }
        // Each gives its room back when it is read.
        let reads = reads
            .into_iter()
            .map(async |read| read.await.map(|body| body.bytes.len()));
        for length in futures::future::join_all(reads).await {
            assert_eq!(length, Ok(LARGEST));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let bodies = Bodies::new(BEYOND);
        let (sender, slow) = body();
        send(&sender, SMALL + 1);
        let error = bodies.read(&head(LARGEST), slow).await.unwrap_err();
        assert_eq!(error, Refused::TooSlow);
        assert_eq!(bodies.beyond.available_permits(), BEYOND);
    }

    #[tokio::test]
    async fn a_body_has_a_largest_size_whether_it_is_announced_or_not() {
        let bodies = Bodies::new(BEYOND);
        let (_sender, announced) = body();
        let read = bodies.read(&head(LARGEST + 1), announced).await;
        assert_eq!(read.unwrap_err(), Refused::TooLarge);
        let (sender, larger) = body();
        send(&sender, LARGEST + 1);
        let read = bodies.read(&head(0), larger).await;
        assert_eq!(read.unwrap_err(), Refused::TooLarge);
    }
}
