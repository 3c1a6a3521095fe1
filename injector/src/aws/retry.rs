//! The one retry loop: attempts until one succeeds, fails for good, or time runs out.

use std::fmt;
use std::time::Duration;

use crate::aws::{Cause, Deadline};

/// May another attempt succeed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: the same answer would come again.
    Never,
    /// Perhaps, as after a lost connection or an answer of 5xx. A few attempts decide, or those within the patience of
    /// [`Deadline::patient`].
    Few,
    /// Yes, later: the service throttles. Attempts end only with the deadline.
    UntilDeadline,
}

/// A failed attempt.
#[derive(Debug)]
pub struct Attempt {
    /// Why it failed.
    pub cause: Cause,
    /// Whether to try again.
    pub retry: Retry,
    /// The pause that the service asks for.
    pub pause: Option<Duration>,
}

impl Attempt {
    /// A failure that may pass.
    pub(crate) fn again(cause: Cause) -> Self {
        Self {
            cause,
            retry: Retry::Few,
            pause: None,
        }
    }
}

/// A final failure.
impl From<Cause> for Attempt {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            retry: Retry::Never,
            pause: None,
        }
    }
}

/// How often and how fast a service is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Attempts where [`Retry::Few`] are made.
    pub attempts: u32,
    /// The pause after the first attempt. Each further one is twice as long.
    pub first_pause: Duration,
}

/// The longest pause of our own choice. A service may ask for as much more.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Backoff {
    /// The pause after so many failed attempts; `random` is from 0 to 1. Half of the pause is random, so that pods that
    /// failed together do not come back together.
    fn pause(self, failed: u32, asked: Option<Duration>, random: f64) -> Duration {
        let doublings = failed.saturating_sub(1).min(16);
        let doubled = self.first_pause.saturating_mul(1 << doublings);
        let own = doubled.min(LONGEST_PAUSE).mul_f64(0.5 + 0.5 * random);
        match asked {
            Some(asked) => asked.clamp(own, own + LONGEST_PAUSE),
            None => own,
        }
    }
}

/// Makes attempts until one succeeds or no further one is worth it. `what` names the call in the log.
pub async fn retry<T>(
    what: impl fmt::Display,
    backoff: Backoff,
    deadline: Deadline,
    attempt: impl AsyncFn() -> Result<T, Attempt>,
) -> Result<T, Cause> {
    let mut last = None;
    let (mut failed, mut failed_for_few) = (0, 0);
    loop {
        let Attempt {
            cause,
            retry,
            pause,
        } = match deadline.limit(attempt()).await {
            Some(Ok(output)) => return Ok(output),
            Some(Err(attempt)) => attempt,
            None => return Err(deadline.missed(last)),
        };
        failed += 1;
        match retry {
            Retry::Never => return Err(cause),
            Retry::Few => {
                failed_for_few += 1;
                match deadline.patience() {
                    None if failed_for_few >= backoff.attempts => return Err(cause),
                    Some(left) if failed_for_few == backoff.attempts => {
                        let seconds = left.as_secs();
                        tracing::warn!("{what}: {cause}; retrying for {seconds} more seconds");
                    }
                    _ => tracing::debug!("{what}: {cause}; retrying"),
                }
            }
            Retry::UntilDeadline => tracing::warn!("{what}: {cause}; retrying until the timeout"),
        }
        last = Some(cause);
        let pause = backoff.pause(failed, pause, fastrand::f64());
        if deadline.limit(tokio::time::sleep(pause)).await.is_none() {
            return Err(deadline.missed(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        attempts: 3,
        first_pause: Duration::from_millis(200),
    };

    /// Runs attempts that fail as the list says, in turn, and then succeed. The result, and how many were made.
    async fn run(failures: &[Retry], whole: Duration) -> (Result<(), Cause>, usize) {
        run_until(failures, Deadline::after(whole)).await
    }

    async fn run_until(failures: &[Retry], deadline: Deadline) -> (Result<(), Cause>, usize) {
        let made = Cell::new(0);
        let result = retry("test", BACKOFF, deadline, async || {
            made.set(made.get() + 1);
            match failures.get(made.get() - 1) {
                None => Ok(()),
                Some(retry) => Err(Attempt {
                    cause: Cause::NoResponse(made.get().to_string()),
                    retry: *retry,
                    pause: None,
                }),
            }
        });
        (result.await, made.get())
    }

    const LONG: Duration = Duration::from_mins(10);

    #[tokio::test(start_paused = true)]
    async fn a_few_attempts_decide_and_throttled_ones_do_not_count() {
        use Retry::{Few, Never, UntilDeadline};
        assert_eq!(run(&[Few, Few], LONG).await, (Ok(()), 3));
        let cause = |number: &str| Err(Cause::NoResponse(number.to_owned()));
        assert_eq!(run(&[Few, Few, Few, Few], LONG).await, (cause("3"), 3));
        assert_eq!(run(&[Never], LONG).await, (cause("1"), 1));
        let throttled = [UntilDeadline; 20];
        assert_eq!(run(&throttled, LONG).await, (Ok(()), 21));
        let mixed = [Few, UntilDeadline, UntilDeadline, Few];
        assert_eq!(run(&mixed, LONG).await, (Ok(()), 5));
    }

    #[tokio::test(start_paused = true)]
    async fn with_patience_a_failure_that_may_pass_is_waited_out_for_a_quarter_of_the_time() {
        let patient = |seconds| Deadline::after(Duration::from_secs(seconds)).patient();
        let (result, _) = run_until(&[Retry::Few; 9], patient(120)).await;
        assert_eq!(result, Ok(()));
        let started = tokio::time::Instant::now();
        let (result, made) = run_until(&[Retry::Few; 100], patient(600)).await;
        assert_eq!(result, Err(Cause::NoResponse(made.to_string())));
        let seconds = started.elapsed().as_secs();
        assert!((30..36).contains(&seconds), "{seconds} s");
        let (_, made) = run_until(&[Retry::Never], patient(120)).await;
        assert_eq!(made, 1);
        // A first region has a second one to ask.
        let (result, made) = run_until(&[Retry::Few; 9], patient(120).half()).await;
        assert_eq!((result.is_err(), made), (true, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_the_last_failure_is_told() {
        let (result, made) = run(&[Retry::UntilDeadline; 100], Duration::from_secs(9)).await;
        let Err(Cause::Deadline { seconds, last }) = result else {
            panic!("{result:?}")
        };
        assert_eq!(seconds, 9);
        assert_eq!(last, Some(Box::new(Cause::NoResponse(made.to_string()))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_without_answer_ends_at_the_deadline() {
        let deadline = Deadline::after(Duration::from_secs(2));
        let attempt = async || std::future::pending::<Result<(), Attempt>>().await;
        let cause = retry("test", BACKOFF, deadline, attempt).await.unwrap_err();
        assert_eq!(cause, deadline.missed(None));
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_half_of_each_is_random() {
        let milliseconds = |failed, random| BACKOFF.pause(failed, None, random).as_millis();
        let longest: Vec<_> = (1..=7).map(|failed| milliseconds(failed, 1.0)).collect();
        assert_eq!(longest, [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(milliseconds(1, 0.0), 100);
        assert_eq!(milliseconds(u32::MAX, 0.0), 2500);
    }

    #[test]
    fn a_service_may_ask_for_a_longer_pause_within_bounds() {
        let pause = |asked| BACKOFF.pause(1, Some(Duration::from_millis(asked)), 1.0);
        assert_eq!(pause(10), Duration::from_millis(200));
        assert_eq!(pause(3000), Duration::from_secs(3));
        assert_eq!(pause(3_600_000), Duration::from_millis(5200));
    }
}
