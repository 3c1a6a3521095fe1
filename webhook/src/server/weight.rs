//! What a review will take in memory once it is read: an empty object in a list is two bytes of JSON, and may become a
//! volume of three thousand. Counted before it is read, and held to a bound.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::poll;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::refused::Refused;

/// Bytes of the largest thing that a JSON object becomes. What a list has beyond its elements is not touched.
const OBJECT: usize = 4 * 1024;
/// Bytes of the largest thing that any other element becomes.
const ELEMENT: usize = 64;

/// The heaviest that is a usual review, in KiB.
const LIGHT: usize = 2 * 1024;

/// The room of reviews. Light ones never wait for heavy ones, nor for one that waits itself.
#[derive(Debug)]
pub(crate) struct Reviews {
    light: Arc<Semaphore>,
    /// One of the heaviest, or several heavy ones.
    heavy: Arc<Semaphore>,
    /// Those of both kinds that wait for the API server, or for the clients of large answers.
    waiting: Arc<Semaphore>,
    heaviest: usize,
    /// Each is read and answered by itself, which leaves the other processors to the other lane.
    is_serial: bool,
}

/// The room of one review.
#[derive(Debug)]
pub(crate) struct Place {
    room: OwnedSemaphorePermit,
    kib: u32,
    is_light: bool,
}

impl Reviews {
    /// Room for so many KiB of light ones, for as many that wait, and for one of the heaviest.
    pub(crate) fn new(light: usize, heaviest: usize) -> Self {
        Self {
            light: Arc::new(Semaphore::new(light)),
            heavy: Arc::new(Semaphore::new(heaviest)),
            waiting: Arc::new(Semaphore::new(light)),
            heaviest,
            is_serial: false,
        }
    }

    /// The same for one review at a time, of those that do not wait.
    pub(crate) fn serial(waiting: usize, heaviest: usize) -> Self {
        Self {
            is_serial: true,
            ..Self::new(waiting, heaviest)
        }
    }

    /// Waits until there is room for a review with this body.
    pub(crate) async fn enter(&self, body: &[u8]) -> Result<Option<Place>, Refused> {
        let most = self.heaviest;
        let kib = weight(body, most * 1024).div_ceil(1024);
        if kib > most {
            return Err(Refused::TooHeavy { kib, most });
        }
        let is_light = kib <= LIGHT;
        let (kind, takes) = match is_light {
            _ if self.is_serial => (&self.heavy, most),
            true => (&self.light, kib),
            false => (&self.heavy, kib),
        };
        let [kib, takes] = [kib, takes].map(|kib| u32::try_from(kib).unwrap_or(u32::MAX));
        // Only a closed semaphore has none to give, and nothing closes it.
        let room = Arc::clone(kind).acquire_many_owned(takes).await.ok();
        Ok(room.map(|room| Place {
            room,
            kib,
            is_light,
        }))
    }

    /// Does the work of a review. Most need only the processor. One that begins to wait leaves its place to the others; a heavy
    /// one keeps it if there is no other place.
    pub(crate) async fn work<T>(
        &self,
        mut place: Option<Place>,
        work: impl Future<Output = T>,
    ) -> Result<T, Refused> {
        let mut work = pin!(work);
        if let Poll::Ready(done) = poll!(&mut work) {
            return Ok(done);
        }
        if let Some(place) = &mut place {
            match Arc::clone(&self.waiting).try_acquire_many_owned(place.kib) {
                Ok(waiting) => place.room = waiting,
                Err(_) if place.is_light => return Err(Refused::Busy),
                Err(_) => {}
            }
        }
        Ok(work.await)
    }
}

/// The most that JSON can become, in bytes. A quick look takes text for JSON, too, so only what it would refuse gets a second one.
fn weight(body: &[u8], heaviest: usize) -> usize {
    let objects = count(body, |byte| byte == b'{');
    let elements = count(body, |byte| matches!(byte, b',' | b'['));
    let most = of_json(body.len(), objects, elements);
    if most <= heaviest {
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

    const HEAVIEST: usize = 40 * 1024;

    fn room() -> Reviews {
        Reviews::new(16 * 1024, HEAVIEST)
    }

    #[test]
    fn objects_count_and_text_does_not() {
        for weigh in [
            |body: &[u8]| weight(body, HEAVIEST * 1024),
            weight_without_text,
        ] {
            assert_eq!(weigh(b"[{},{}]"), 2 * 7 + 2 * OBJECT + 2 * ELEMENT);
        }
        let text = br#"["{{{{,,,,\"{{\\"]"#;
        assert_eq!(weight_without_text(text), 2 * text.len() + ELEMENT);
        assert_eq!(weight_without_text(b"\"{\\"), 6, "a text without an end");
        let text = format!("[{:?}]", "{".repeat(300_000));
        assert_eq!(
            weight(text.as_bytes(), HEAVIEST * 1024),
            2 * text.len() + ELEMENT
        );
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
        let room = room();
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
        let room = room();
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
                    assert_eq!(done, Err(Refused::Busy));
                    given_up += 1;
                }
                Poll::Pending => waiting.push(work),
            }
        }
        assert_eq!((waiting.len(), given_up), (8, 92));
        let place = room.enter(light.as_bytes()).await.unwrap();
        assert_eq!(room.work(place, async { 1 }).await, Ok(1));
    }

    #[tokio::test]
    async fn heavy_reviews_do_not_wait_for_those_that_wait() {
        let room = room();
        let heavy = format!("[{}{{}}]", "{},".repeat(3000));
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let place = room.enter(heavy.as_bytes()).now_or_never();
            let place = place.expect("there is room").unwrap();
            let mut work = Box::pin(room.work(place, std::future::pending::<()>()));
            assert!(poll!(&mut work).is_pending());
            waiting.push(work);
        }
        // That much memory has three of them, and no more waits beside them.
        let place = room.enter(heavy.as_bytes()).now_or_never();
        let place = place.expect("nobody else is there").unwrap();
        assert_eq!(room.work(place, async { 1 }).await, Ok(1));
    }

    #[tokio::test]
    async fn serial_reviews_are_read_one_by_one_and_wait_together() {
        let room = Reviews::serial(4 * 1024, 10 * 1024);
        let first = room.enter(b"{}").await.unwrap();
        assert!(room.enter(b"{}").now_or_never().is_none());
        let mut waiting = Box::pin(room.work(first, std::future::pending::<()>()));
        assert!(poll!(&mut waiting).is_pending());
        assert!(room.enter(b"{}").now_or_never().is_some());
    }
}
