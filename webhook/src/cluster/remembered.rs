//! An answer of the API server that is kept for a while and shared by concurrent requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::api_error::ApiError;
use crate::cluster::lookup::Deadline;

/// How long a question may take: the nodes of a large cluster are several answers of some megabytes.
const LONGEST: Duration = Duration::from_mins(1);
const TIMED_OUT: &str = "it took longer than 60 s";
/// How long a failure is remembered: requests that wait would each repeat it otherwise. Not longer, because an API server that
/// just started refuses the first requests.
const AGAIN: Duration = Duration::from_secs(1);

/// The last answer; clones share it.
pub(crate) struct Remembered<T>(Arc<Shared<T>>);

struct Shared<T> {
    /// Held while asking: whoever comes meanwhile gets the same answer.
    asking: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    answer: Option<(T, Instant)>,
    failure: Option<(ApiError, Instant)>,
}

impl<T> Clone for Remembered<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        let state = State {
            answer: None,
            failure: None,
        };
        Self(Arc::new(Shared {
            asking: Arc::default(),
            state: Mutex::new(state),
        }))
    }
}

impl<T: Clone + Send + 'static> Remembered<T> {
    /// The answer, asked for again where it is older than `keep` says of it. If that fails or takes longer than until `deadline`, the
    /// previous one is used.
    ///
    /// A question is asked to its end, even if the request that needs the answer is given up: the next one finds it.
    pub(crate) async fn get(
        &self,
        deadline: Deadline,
        keep: impl Fn(&T) -> Duration,
        what: &'static str,
        ask: impl Future<Output = Result<T, kube::Error>> + Send + 'static,
    ) -> Result<T, ApiError> {
        if let Some(known) = self.state().known(&keep) {
            return known;
        }
        match deadline.wait(self.ask(keep, what, ask)).await {
            Ok(answer) => answer,
            Err(late) => self.state().last_answer_or(&kube::Error::from(late).into()),
        }
    }

    async fn ask(
        &self,
        keep: impl Fn(&T) -> Duration,
        what: &'static str,
        ask: impl Future<Output = Result<T, kube::Error>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let asking = Arc::clone(&self.0.asking).lock_owned().await;
        if let Some(known) = self.state().known(&keep) {
            return known;
        }
        let this = self.clone();
        let asked = tokio::spawn(async move {
            let _asking = asking;
            let answer = tokio::time::timeout(LONGEST, ask).await;
            let answer = answer.unwrap_or_else(|_| Err(kube::Error::Service(TIMED_OUT.into())));
            let mut state = this.state();
            match answer {
                Ok(answer) => {
                    state.answer = Some((answer.clone(), Instant::now()));
                    state.failure = None;
                    Ok(answer)
                }
                Err(error) => {
                    let error = ApiError::from(error);
                    tracing::warn!("could not read {what}: {error}");
                    state.failure = Some((error.clone(), Instant::now()));
                    state.last_answer_or(&error)
                }
            }
        });
        match asked.await {
            Ok(answer) => answer,
            // Nobody aborts the task, so it panicked: the review does as well, and is answered as such.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => unreachable!("the task is not aborted while the runtime runs"),
            },
        }
    }
}

impl<T> Remembered<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> State<T> {
    /// What need not be asked for.
    fn known(&self, keep: impl Fn(&T) -> Duration) -> Option<Result<T, ApiError>> {
        if let Some((answer, at)) = &self.answer
            && at.elapsed() < keep(answer)
        {
            return Some(Ok(answer.clone()));
        }
        let (error, at) = self.failure.as_ref()?;
        (at.elapsed() < AGAIN).then(|| self.last_answer_or(error))
    }

    fn last_answer_or(&self, error: &ApiError) -> Result<T, ApiError> {
        match &self.answer {
            Some((answer, _)) => Ok(answer.clone()),
            None => Err(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn answered(remembered: &Remembered<u32>, answer: Option<u32>) -> Option<u32> {
        let ask = async move { answer.ok_or(kube::Error::LinesCodecMaxLineLengthExceeded) };
        let keep = |_: &u32| Duration::from_mins(5);
        let found = remembered.get(Deadline::start(), keep, "it", ask).await;
        found.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_a_while_and_longer_where_there_is_no_other() {
        let remembered = Remembered::default();
        assert_eq!(answered(&remembered, Some(1)).await, Some(1));
        tokio::time::advance(Duration::from_secs(299)).await;
        assert_eq!(answered(&remembered, Some(2)).await, Some(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(answered(&remembered, None).await, Some(1));
        assert_eq!(answered(&remembered, Some(3)).await, Some(1), "at once");
        tokio::time::advance(AGAIN).await;
        assert_eq!(answered(&remembered, Some(3)).await, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_failure_is_an_error_and_is_not_repeated_at_once() {
        let remembered = Remembered::default();
        assert_eq!(answered(&remembered, None).await, None);
        assert_eq!(answered(&remembered, Some(1)).await, None);
        tokio::time::advance(AGAIN).await;
        assert_eq!(answered(&remembered, Some(1)).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_requests_ask_once() {
        let (remembered, asked) = (Remembered::<u32>::default(), Arc::new(AtomicU32::new(0)));
        let one = || {
            let asked = Arc::clone(&asked);
            let ask = async move {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(7)
            };
            let keep = |_: &u32| Duration::from_mins(5);
            remembered.get(Deadline::start(), keep, "it", ask)
        };
        let (one, other) = tokio::join!(one(), one());
        assert_eq!((one.unwrap(), other.unwrap()), (7, 7));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_long_for_an_answer_that_comes_later() {
        let remembered = Remembered::<u32>::default();
        let slow = |answer| async move {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Ok(answer)
        };
        let get = |answer| {
            let keep = |_: &u32| Duration::from_mins(5);
            remembered.get(Deadline::start(), keep, "it", slow(answer))
        };
        let start = Instant::now();
        let error = get(1).await.unwrap_err().to_string();
        assert!(error.contains("longer than 2 s"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(3));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(get(2).await.unwrap(), 1, "it was asked to its end");
        tokio::time::advance(Duration::from_mins(5)).await;
        assert_eq!(get(3).await.unwrap(), 1, "the previous one");
    }
}
