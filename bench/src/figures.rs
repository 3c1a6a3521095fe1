//! Figures for the pages, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Figures as text, by their names in the pages' templates.
#[derive(Debug, Default)]
pub(crate) struct Figures(pub(crate) BTreeMap<String, String>);

impl Figures {
    /// Adds a figure.
    pub(crate) fn add(&mut self, name: impl Into<String>, figure: impl fmt::Display) {
        self.0.insert(name.into(), figure.to_string());
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut figures = self.0.iter();
        figures.try_for_each(|(name, figure)| writeln!(f, "{name}: {figure}"))
    }
}

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

    /// The median as text.
    pub(crate) fn median(&self) -> String {
        shown(self.percentile(50))
    }
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

/// A count as a fraction's part.
#[expect(clippy::cast_precision_loss, reason = "a number to read")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

/// A size in memory as text.
pub(crate) fn mebibytes(kibibytes: usize) -> String {
    format!("{:.1} MiB", number(kibibytes) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_of_the_sample() {
        let sample: Sample = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(sample.percentile(50), Duration::from_millis(51));
        assert_eq!(sample.percentile(99), Duration::from_millis(100));
        assert_eq!(sample.percentile(100), Duration::from_millis(100));
    }
}
