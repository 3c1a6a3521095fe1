//! When the next look at AWS is: at every interval, spread so that pods that started together do not ask together.

use std::time::Duration;

/// The longest wait after a failure, unless the interval is shorter.
const LONGEST_BACKOFF: Duration = Duration::from_mins(10);
/// The first wait after a failure, unless the interval is shorter.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);

/// Waits, one after the other.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    failures: u32,
    random: fastrand::Rng,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            failures: 0,
            random: fastrand::Rng::new(),
        }
    }

    /// Before the first look: anywhere in the interval.
    pub(super) fn first(&mut self) -> Duration {
        self.interval.mul_f64(self.random.f64())
    }

    /// After a look that succeeded: the interval, a tenth more or less.
    pub(super) fn after_success(&mut self) -> Duration {
        self.failures = 0;
        self.interval.mul_f64(0.9 + 0.2 * self.random.f64())
    }

    /// After one that failed: twice as long each time, and half of it at random.
    pub(super) fn after_failure(&mut self) -> Duration {
        let longest = self.interval.min(LONGEST_BACKOFF);
        let doubled = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        longest.min(doubled).mul_f64(0.5 + 0.5 * self.random.f64())
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn looks_are_spread_over_the_interval() {
        let first: Vec<_> = (0..1000).map(|_| Schedule::new(MINUTE).first()).collect();
        for tenth in 0..10 {
            let from = MINUTE / 10 * tenth;
            let inside = first
                .iter()
                .filter(|wait| (from..from + MINUTE / 10).contains(&**wait));
            assert!((40..200).contains(&inside.count()), "{tenth}");
        }
        let mut schedule = Schedule::new(MINUTE);
        for _ in 0..1000 {
            let wait = schedule.after_success();
            assert!(
                (MINUTE * 9 / 10..=MINUTE * 11 / 10).contains(&wait),
                "{wait:?}"
            );
        }
    }

    #[test]
    fn failures_wait_longer_and_longer_but_never_beyond_the_interval() {
        let mut schedule = Schedule::new(MINUTE);
        let waits: Vec<_> = (0..40).map(|_| schedule.after_failure()).collect();
        assert!(waits[0] <= FIRST_BACKOFF && waits[0] >= FIRST_BACKOFF / 2);
        assert!(waits.iter().all(|wait| *wait <= MINUTE));
        assert!(waits[10..].iter().all(|wait| *wait >= MINUTE / 2));
        assert_eq!(schedule.failures(), 40);
        schedule.after_success();
        assert!(schedule.after_failure() <= FIRST_BACKOFF);
        let mut short = Schedule::new(Duration::from_secs(1));
        assert!(short.after_failure() <= Duration::from_secs(1));
        let mut long = Schedule::new(MINUTE * 600);
        assert!(
            (0..40)
                .map(|_| long.after_failure())
                .all(|wait| wait <= LONGEST_BACKOFF)
        );
    }
}
