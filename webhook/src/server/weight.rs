//! What a review will take in memory once it is read: an empty object in a list is two bytes of JSON, and may become a
//! volume of three thousand. Counted before it is read, and held to a bound.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::poll;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of the largest thing that a JSON object becomes. What a list has beyond its elements is not touched.
const OBJECT: usize = 4 * 1024;
/// Bytes of the largest thing that any other element becomes.
const ELEMENT: usize = 64;

/// The heaviest review that is read, in KiB.
const HEAVIEST: usize = 40 * 1024;
/// What all the heavy ones may have together, in KiB.
const HEAVY_ROOM: usize = HEAVIEST;
/// The heaviest that is a usual review, in KiB.
const LIGHT: usize = 2 * 1024;
/// What all the usual ones may have together, in KiB.
const LIGHT_ROOM: usize = 16 * 1024;
/// What those of them may have together that wait for the API server, or for the clients of large answers, in KiB.
const WAITING_ROOM: usize = 16 * 1024;

/// The room for reviews; clones share it. Light ones never wait for heavy ones, nor for one that waits itself.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    light: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// The room of one review.
#[derive(Debug)]
pub(crate) struct Place {
    room: OwnedSemaphorePermit,
    is_light: bool,
}

/// No room for another review that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many reviews wait for the API server: create the object again")]
pub(crate) struct Busy;

/// A review that becomes too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the review has too many objects: it would take {0} KiB of memory, but at most {HEAVIEST} KiB are allowed"
)]
pub(crate) struct TooHeavy(usize);

impl Default for Room {
    fn default() -> Self {
        Self {
            light: Arc::new(Semaphore::new(LIGHT_ROOM)),
            heavy: Arc::new(Semaphore::new(HEAVY_ROOM)),
            waiting: Arc::new(Semaphore::new(WAITING_ROOM)),
        }
    }
}

impl Room {
    /// Waits until there is room for a review with this body.
    pub(crate) async fn enter(&self, body: &[u8]) -> Result<Option<Place>, TooHeavy> {
        let kib = weight(body).div_ceil(1024);
        if kib > HEAVIEST {
            return Err(TooHeavy(kib));
        }
        let is_light = kib <= LIGHT;
        let lane = if is_light { &self.light } else { &self.heavy };
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        // Only a closed semaphore has none to give, and nothing closes it.
        let room = Arc::clone(lane).acquire_many_owned(kib).await.ok();
        Ok(room.map(|room| Place { room, is_light }))
    }

    /// Does the work of a review. Most need only the processor. A light one that begins to wait leaves its place to the others.
    pub(crate) async fn work<T>(
        &self,
        mut place: Option<Place>,
        work: impl Future<Output = T>,
    ) -> Result<T, Busy> {
        let mut work = pin!(work);
        if let Poll::Ready(done) = poll!(&mut work) {
            return Ok(done);
        }
        if let Some(Place { room, is_light }) = &mut place
            && *is_light
        {
            // It has as much as the review takes, and that is far less than all.
            let kib = u32::try_from(room.num_permits()).unwrap_or(u32::MAX);
            let waiting = Arc::clone(&self.waiting).try_acquire_many_owned(kib);
            *room = waiting.map_err(|_| Busy)?;
        }
        Ok(work.await)
    }
}

/// The most that JSON can become, in bytes. A quick look takes text for JSON, too, so only what it would refuse gets a second one.
fn weight(body: &[u8]) -> usize {
    let objects = count(body, |byte| byte == b'{');
    let elements = count(body, |byte| matches!(byte, b',' | b'['));
    let most = of_json(body.len(), objects, elements);
    if most <= HEAVIEST * 1024 {
        most
    } else {
        weight_without_text(body)
    }
}

fn of_json(bytes: usize, objects: usize, elements: usize) -> usize {
    2 * bytes + OBJECT * objects + ELEMENT * elements
}

/// Counts in pieces whose count is a byte: the compiler turns that into instructions that look at many bytes at once.
fn count(body: &[u8], is_one: impl Fn(u8) -> bool) -> usize {
    let pieces = body.chunks(usize::from(u8::MAX));
    let counts = pieces.map(|piece| piece.iter().map(|byte| u8::from(is_one(*byte))).sum::<u8>());
    counts.map(usize::from).sum()
}

/// The same, without what is in text.
fn weight_without_text(body: &[u8]) -> usize {
    let (mut objects, mut elements) = (0, 0);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_text(&mut bytes),
            b'{' => objects += 1,
            b',' | b'[' => elements += 1,
            _ => {}
        }
    }
    of_json(body.len(), objects, elements)
}

/// Goes behind the quote that ends a text.
fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Volume};

    use super::*;

    #[test]
    fn objects_count_and_text_does_not() {
        for weigh in [weight, weight_without_text] {
            assert_eq!(weigh(b"[{},{}]"), 2 * 7 + 2 * OBJECT + 2 * ELEMENT);
        }
        let text = br#"["{{{{,,,,\"{{\\"]"#;
        assert_eq!(weight_without_text(text), 2 * text.len() + ELEMENT);
        assert_eq!(weight_without_text(b"\"{\\"), 6, "a text without an end");
        let text = format!("[{:?}]", "{".repeat(300_000));
        assert_eq!(weight(text.as_bytes()), 2 * text.len() + ELEMENT);
    }

    #[test]
    fn nothing_that_an_object_becomes_is_larger() {
        for size in [
            size_of::<Container>(),
            size_of::<EphemeralContainer>(),
            size_of::<Volume>(),
        ] {
            assert!(size < OBJECT, "{size}");
        }
    }

    #[tokio::test]
    async fn light_reviews_do_not_wait_for_heavy_ones() {
        let room = Room::default();
        let heavy = format!("[{}{{}}]", "{},".repeat(6000));
        let _held = room.enter(heavy.as_bytes()).await.unwrap();
        let waiting = room.enter(heavy.as_bytes());
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(room.enter(b"{}").await.unwrap().is_some());
        let error = room
            .enter("{}".repeat(20_000).as_bytes())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("too many objects"), "{error}");
    }

    #[tokio::test]
    async fn light_reviews_do_not_wait_for_those_that_wait() {
        let room = Room::default();
        // As heavy as a light one can be.
        let light = format!("[{}{{}}]", "{},".repeat(480));
        let mut waiting = Vec::new();
        let mut given_up = 0;
        for _ in 0..100 {
            let enter = room.enter(light.as_bytes());
            let place = enter.now_or_never().expect("there is room").unwrap();
            let mut work = Box::pin(room.work(place, std::future::pending::<()>()));
            match poll!(&mut work) {
                Poll::Ready(done) => {
                    assert_eq!(done, Err(Busy));
                    given_up += 1;
                }
                Poll::Pending => waiting.push(work),
            }
        }
        assert_eq!((waiting.len(), given_up), (8, 92));
        let place = room.enter(light.as_bytes()).await.unwrap();
        assert_eq!(room.work(place, async { 1 }).await, Ok(1));
    }
}
