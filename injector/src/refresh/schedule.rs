//! When the next refresh is due. The random numbers are passed in, from 0 to 1, so that the rules can be tested.

use std::time::Duration;

/// The first wait after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest wait after failures, however long the interval is.
const LONGEST_RETRY: Duration = Duration::from_mins(5);

/// The interval, plus or minus up to a tenth, so that pods that started together drift apart.
pub fn jittered(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * random)
}

/// How long after its start a sidecar first refreshes: any time in the first interval.
pub fn offset(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(random)
}

/// The wait after this many failures in a row. It doubles each time, up to the interval or five minutes. Its second half is
/// random.
pub fn retry(interval: Duration, failures: u32, random: f64) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let whole = doubled.min(LONGEST_RETRY).min(interval);
    whole.mul_f64(0.5 + 0.5 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_vary_by_a_tenth() {
        let interval = Duration::from_secs(100);
        assert_eq!(jittered(interval, 0.0), Duration::from_secs(90));
        assert_eq!(jittered(interval, 1.0), Duration::from_secs(110));
    }

    #[test]
    fn retries_wait_longer_each_time_up_to_the_interval_or_five_minutes() {
        let longest = |interval: u64| -> Vec<u64> {
            let interval = Duration::from_secs(interval);
            let wait = |failures| retry(interval, failures, 1.0).as_secs();
            [1, 2, 3, 4, 5, 6, 7, 8, 100].map(wait).to_vec()
        };
        assert_eq!(longest(3600), [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(longest(60), [5, 10, 20, 40, 60, 60, 60, 60, 60]);
        assert_eq!(
            retry(Duration::from_hours(1), 1, 0.0),
            Duration::from_millis(2500)
        );
    }
}
