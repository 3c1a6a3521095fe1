//! File permissions, as `filePermission` writes them.

use std::fmt;
use std::str::FromStr;

/// A file's permission bits, written as four octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileMode(u32);

/// Why a string is not a file's permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a file permission: write four octal digits in quotes, such as {suggestion:?}"
)]
pub struct InvalidFileMode {
    text: String,
    suggestion: String,
}

impl FileMode {
    /// The default of a class.
    pub const DEFAULT: Self = Self(0o644);
    /// Only the owner, and root, may read.
    pub const OWNER_READS: Self = Self(0o400);
    /// Everybody may read, nobody may write.
    pub const ALL_READ: Self = Self(0o444);

    /// The permissions in a file's mode, as `stat(2)` gives it.
    pub const fn of_bits(mode: u32) -> Self {
        Self(mode & 0o7777)
    }

    /// The permission bits, as `chmod(2)` takes them.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = InvalidFileMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 4
            && is_octal(text)
            && let Ok(bits) = u32::from_str_radix(text, 8)
        {
            return Ok(Self(bits));
        }
        Err(InvalidFileMode {
            text: text.to_owned(),
            suggestion: suggestion(text),
        })
    }
}

fn is_octal(digits: &str) -> bool {
    digits.bytes().all(|b| (b'0'..=b'7').contains(&b))
}

/// What the writer most likely meant. YAML takes an unquoted `0o600` for the number 384, and `600` lacks its zero.
fn suggestion(text: &str) -> String {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    if digits.len() == 3 && is_octal(digits) {
        return format!("0{digits}");
    }
    match text.parse::<u32>() {
        Ok(number) if number <= 0o7777 && !text.starts_with('0') => format!("{number:04o}"),
        _ => FileMode::DEFAULT.to_string(),
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_exactly_four_octal_digits() {
        assert_eq!("0400".parse::<FileMode>().unwrap().bits(), 0o400);
        assert_eq!("7777".parse::<FileMode>().unwrap().bits(), 0o7777);
        for bad in [
            "", "400", "00400", "0o400", "0888", "-400", "+400", "0x40", " 0400",
        ] {
            assert!(bad.parse::<FileMode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn suggests_what_was_meant() {
        let error = |text: &str| text.parse::<FileMode>().unwrap_err().to_string();
        assert!(error("600").ends_with("such as \"0600\""));
        assert!(
            error("384").ends_with("such as \"0600\""),
            "the number that YAML makes of 0o600"
        );
        assert!(error("0888").ends_with("such as \"0644\""));
        assert!(error("rw-r--r--").ends_with("such as \"0644\""));
    }
}
