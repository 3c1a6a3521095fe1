//! How often a sidecar refreshes, as the annotation and the injector's option spell it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The path on the sidecar's metrics port that the kubelet's liveness probe asks for.
pub const PROBE_PATH: &str = "/healthz";

/// How often a pod's files are compared with AWS, such as `5m` or `1h30m`.
///
/// At least a second, which is for tests: every check costs a call per secret. At most a day, so that a sidecar that
/// cannot refresh is noticed before its secrets are long out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefreshInterval(Duration);

/// Why a text is not a [`RefreshInterval`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInterval {
    /// Not a duration.
    #[error("{0:?} is not a duration: write a number with s, m or h, such as \"5m\" or \"1h30m\"")]
    NotADuration(String),
    /// One that is too short or too long.
    #[error("{0:?} is out of range: from 1s to 24h; 5m suits most")]
    OutOfRange(String),
}

impl RefreshInterval {
    const LEAST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_hours(24);

    /// The time between two checks.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for RefreshInterval {
    type Err = InvalidInterval;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let are_known = text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"smh".contains(&b));
        let are_known = are_known && !text.contains("ms");
        let duration = humantime::parse_duration(text).ok().filter(|_| are_known);
        let duration = duration.ok_or_else(|| InvalidInterval::NotADuration(text.to_owned()))?;
        if (Self::LEAST..=Self::MOST).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(InvalidInterval::OutOfRange(text.to_owned()))
        }
    }
}

impl fmt::Display for RefreshInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        for (amount, unit) in [
            (seconds / 3600, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
        ] {
            if amount > 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_numbers_with_units_within_bounds() {
        for (text, seconds) in [("1s", 1), ("5m", 300), ("1h30m", 5400), ("24h", 86400)] {
            let interval: RefreshInterval = text.parse().unwrap();
            assert_eq!(interval.duration().as_secs(), seconds);
            assert_eq!(interval.to_string().parse(), Ok(interval));
        }
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "5d",
            "1.5h",
            "1000ms",
            "ü",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert_eq!(
                text.parse::<RefreshInterval>(),
                Err(InvalidInterval::NotADuration(text.to_owned())),
                "{text}"
            );
        }
        for text in ["0s", "24h1s"] {
            assert_eq!(
                text.parse::<RefreshInterval>(),
                Err(InvalidInterval::OutOfRange(text.to_owned())),
                "{text}"
            );
        }
    }
}
