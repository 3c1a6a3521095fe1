//! File permissions, as `filePermission` writes them.

use std::fmt;
use std::str::FromStr;

/// A file's permission bits, written as four octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileMode(u32);

/// Why a string is not a file's permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a file permission: write four octal digits in quotes, such as \"{suggestion}\""
)]
pub struct InvalidFileMode {
    text: String,
    suggestion: FileMode,
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

    /// May the owner read, the group no more than the owner, and others no more than the group?
    const fn is_usual(self) -> bool {
        let (owner, group, others) = (self.0 >> 6, self.0 >> 3 & 7, self.0 & 7);
        owner <= 7 && owner & 4 != 0 && owner & group == group && group & others == others
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

/// What the writer most likely meant: `600` lacks its zero, and YAML takes an unquoted `0o400` for the number 256.
fn suggestion(text: &str) -> FileMode {
    let octal = u32::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8);
    let meanings = [octal.ok(), text.parse().ok()].into_iter().flatten();
    let usual = meanings.map(FileMode).find(|mode| mode.is_usual());
    usual.unwrap_or(FileMode::DEFAULT)
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
        for (text, meant) in [
            ("600", "0600"),
            ("400", "0400"),
            ("440", "0440"),
            ("0o640", "0640"),
            ("00400", "0400"),
            // The numbers that YAML makes of 0o600, 0o400, 0o440, 0o644, 0o640, 0o660, 0o664, and 0o755.
            ("384", "0600"),
            ("256", "0400"),
            ("288", "0440"),
            ("420", "0644"),
            ("416", "0640"),
            ("432", "0660"),
            ("436", "0664"),
            ("493", "0755"),
            ("0888", "0644"),
            ("99999999999", "0644"),
            ("-400", "0644"),
            ("rw-r--r--", "0644"),
        ] {
            let error = error(text);
            assert!(error.ends_with(&format!("such as \"{meant}\"")), "{error}");
        }
    }
}
