//! Medians and percentiles.

use std::time::Duration;

/// Durations in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(Vec<Duration>);

impl FromIterator<Duration> for Sample {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut sorted: Vec<_> = durations.into_iter().collect();
        sorted.sort_unstable();
        Self(sorted)
    }
}

impl IntoIterator for Sample {
    type Item = Duration;
    type IntoIter = std::vec::IntoIter<Duration>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Sample {
    /// The given percentile.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }

    /// The arithmetic mean.
    pub(crate) fn mean(&self) -> Duration {
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX).max(1);
        self.0.iter().sum::<Duration>() / count
    }

    /// The 50th percentile.
    pub(crate) fn median(&self) -> Duration {
        self.percentile(50)
    }
}

/// `measured` as a multiple of `baseline`.
pub(crate) fn ratio(measured: Duration, baseline: Duration) -> f64 {
    measured.as_secs_f64() / baseline.as_secs_f64()
}

/// A duration as text, in a suitable unit.
pub(crate) fn shown(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros < 1000 {
        format!("{micros} µs")
    } else if micros < 10_000 {
        format!("{:.2} ms", duration.as_secs_f64() * 1e3)
    } else if micros < 1_000_000 {
        format!("{:.0} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_of_the_sample() {
        let sample: Sample = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(sample.median(), Duration::from_millis(51));
        assert_eq!(sample.percentile(99), Duration::from_millis(100));
        assert_eq!(sample.percentile(100), Duration::from_millis(100));
    }
}
