//! The name of an AWS region.

use std::fmt;
use std::str::FromStr;

/// An AWS region's name, such as `us-east-2`: a host name is made from it, so it has lowercase letters, digits and
/// hyphens alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

/// Why a string is not a region's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an AWS region: use its code, such as \"us-east-2\"")]
pub struct InvalidRegion(String);

impl Region {
    /// The name, as in `us-east-2`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let label = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let valid = text.len() <= 63
            && text.contains('-')
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.split('-').all(label);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRegion(text.to_owned()))
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_partition_and_refuses_what_is_no_host_name() {
        for good in [
            "us-east-2",
            "cn-north-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "eusc-de-east-1",
        ] {
            assert!(good.parse::<Region>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "useast2",
            "US-EAST-2",
            "us-east-2 ",
            "us_east_2",
            "-us-east",
            "us--east",
            "us-east-2.evil.com/",
            "us-east-",
        ] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
    }
}
