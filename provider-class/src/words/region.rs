//! The name of an AWS region.

use std::fmt;
use std::str::FromStr;

use super::name;

/// An AWS region's name, such as `us-east-2`: a host name is made from it, so it has only lowercase letters,
/// digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

/// Why a string is not a region's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRegion {
    /// Nothing like a region's code.
    #[error("{0:?} is not an AWS region: use its code, such as \"us-east-2\"")]
    Other(String),
    /// Almost a region's code.
    #[error("{text:?} is not an AWS region: it {reason}, write {meant:?}")]
    Almost {
        /// As written.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
        /// The region that was probably meant.
        meant: String,
    },
}

impl Region {
    /// The name, as in `us-east-2`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Partitions by the prefixes of their regions' names.
/// Source: <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>.
const PARTITIONS: [(&str, &str); 17] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-iso-", "aws-iso"),
    ("eusc-", "aws-eusc"),
    ("us-", "aws"),
    ("eu-", "aws"),
    ("ap-", "aws"),
    ("sa-", "aws"),
    ("ca-", "aws"),
    ("me-", "aws"),
    ("af-", "aws"),
    ("il-", "aws"),
    ("mx-", "aws"),
    ("aws-", "aws"),
];

impl Region {
    /// The region's partition; none for a prefix that is newer than this program.
    pub fn partition(&self) -> Option<&'static str> {
        let mut partitions = PARTITIONS.iter();
        partitions
            .find(|(start, _)| self.0.starts_with(start))
            .map(|(_, partition)| *partition)
    }
}

fn is_region(text: &str) -> bool {
    text.len() <= 63
        && text.contains('-')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('-').all(is_label)
        && region_of_zone(text).is_none()
}

fn is_label(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_blank(character: char) -> bool {
    name::blank(character).is_some()
}

/// The region of an availability zone, such as `us-east-2` of `us-east-2a`.
fn region_of_zone(text: &str) -> Option<&str> {
    let region = text.strip_suffix(|c: char| c.is_ascii_lowercase())?;
    let (_, number) = region.rsplit_once('-')?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(region)
}

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_region(text) {
            return Ok(Self(text.to_owned()));
        }
        let trimmed = text.trim_matches(is_blank);
        let lower = trimmed.to_ascii_lowercase();
        let candidates = [
            (trimmed.to_owned(), "has a space at its start or end"),
            (lower.clone(), "has capital letters"),
            (lower.replace(is_blank, ""), "has a space in it"),
            (lower.replace('_', "-"), "has \"_\" in place of \"-\""),
            (
                region_of_zone(&lower).unwrap_or_default().to_owned(),
                "is an availability zone",
            ),
        ];
        let meant = candidates.into_iter().find(|(meant, _)| is_region(meant));
        Err(match meant {
            Some((meant, reason)) => InvalidRegion::Almost {
                text: text.to_owned(),
                reason,
                meant,
            },
            None => InvalidRegion::Other(text.chars().take(100).collect()),
        })
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
            "us-east-2a",
            "us-east-2.evil.com/",
            "us-east-",
        ] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
    }

    #[test]
    fn says_which_region_was_meant_and_takes_it() {
        for almost in [
            " us-east-2",
            "us-east-2\n",
            "us-east-2\u{a0}",
            "US-East-2",
            "us-east -2",
            "us_east_2",
            "us-east-2a",
        ] {
            let InvalidRegion::Almost { meant, .. } = almost.parse::<Region>().unwrap_err() else {
                panic!("{almost:?} has no hint");
            };
            assert_eq!(meant, "us-east-2", "{almost:?}");
            assert!(meant.parse::<Region>().is_ok());
        }
    }

    #[test]
    fn a_region_belongs_to_a_partition() {
        for (region, partition) in [
            ("us-east-2", Some("aws")),
            ("us-gov-west-1", Some("aws-us-gov")),
            ("us-isob-east-1", Some("aws-iso-b")),
            ("cn-north-1", Some("aws-cn")),
            ("eusc-de-east-1", Some("aws-eusc")),
            ("xx-new-1", None),
        ] {
            assert_eq!(region.parse::<Region>().unwrap().partition(), partition);
        }
    }
}
