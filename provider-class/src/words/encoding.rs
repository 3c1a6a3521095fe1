//! How a value is encoded in AWS (`objectEncoding`): it is decoded before it becomes a file.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc4648>, sections 4 and 8.

use std::str::FromStr;

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use zeroize::Zeroizing;

use super::name::shown;

/// The encoding of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// None: the value is written as it is.
    #[default]
    Utf8,
    /// Base64 with the standard alphabet, with padding or without.
    Base64,
    /// Two hexadecimal digits for each byte.
    Hex,
}

/// A text that is not an [`Encoding`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an encoding: write \"base64\", \"hex\" or \"utf-8\"")]
pub struct InvalidEncoding(String);

/// Strict in everything but padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl FromStr for Encoding {
    type Err = InvalidEncoding;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "utf-8" => Ok(Self::Utf8),
            "base64" => Ok(Self::Base64),
            "hex" => Ok(Self::Hex),
            _ => Err(InvalidEncoding(shown(text))),
        }
    }
}

impl Encoding {
    /// Its name, for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Base64 => "base64",
            Self::Hex => "hex",
        }
    }

    /// The bytes that a value stands for, or what is wrong with it: a position, no content.
    pub(crate) fn decode(self, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            Self::Utf8 => Ok(Zeroizing::new(value.to_vec())),
            Self::Base64 => base64(value),
            Self::Hex => hex(value),
        }
    }
}

fn base64(value: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    if let Some(at) = value.iter().position(u8::is_ascii_whitespace) {
        return Err(stopped(value, at));
    }
    // As large as it may get, so that no part of it is left behind in memory by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    match BASE64.decode_vec(value, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(DecodeError::InvalidByte(at, _)) => Err(stopped(value, at)),
        Err(DecodeError::InvalidLength(_) | DecodeError::InvalidPadding) => {
            Err("its length does not fit".to_owned())
        }
        Err(DecodeError::InvalidLastSymbol { .. }) => Err("it was cut off".to_owned()),
    }
}

fn hex(value: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    if let Some(at) = value.iter().position(|byte| !byte.is_ascii_hexdigit()) {
        return Err(stopped(value, at));
    }
    if !value.len().is_multiple_of(2) {
        return Err("its number of digits is odd".to_owned());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len() / 2));
    for pair in value.chunks_exact(2) {
        let byte = digit(pair[0]) * 16 + digit(pair[1]);
        bytes.push(u8::try_from(byte).unwrap_or_default());
    }
    Ok(bytes)
}

/// Where a character is that does not belong there. Line breaks are the most frequent ones.
fn stopped(value: &[u8], at: usize) -> String {
    let what = match value.get(at) {
        Some(b'\n' | b'\r') => "has a line break",
        Some(byte) if byte.is_ascii_whitespace() => "has a space",
        _ => "has a character of another alphabet",
    };
    format!("it {what} at position {}", at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        for (text, encoding) in [
            ("base64", Encoding::Base64),
            ("HEX", Encoding::Hex),
            ("UTF-8", Encoding::Utf8),
        ] {
            assert_eq!(text.parse(), Ok(encoding));
        }
        let error = "base32".parse::<Encoding>().unwrap_err().to_string();
        assert!(
            error.starts_with("\"base32\" is not an encoding"),
            "{error}"
        );
    }

    #[test]
    fn base64_has_padding_or_not_and_is_otherwise_strict() {
        let decode = |text: &str| {
            let bytes = Encoding::Base64.decode(text.as_bytes());
            bytes.map(|bytes| bytes.to_vec())
        };
        for (text, bytes) in [
            ("", &b""[..]),
            ("aGk=", b"hi"),
            ("aGk", b"hi"),
            ("/+8=", &[0xff, 0xef]),
        ] {
            assert_eq!(decode(text).as_deref(), Ok(bytes), "{text}");
        }
        for (text, reason) in [
            ("aGk=\n", "has a line break at position 5"),
            ("aG k", "has a space at position 3"),
            ("_-8=", "another alphabet at position 1"),
            ("a", "its length does not fit"),
            ("aGl", "it was cut off"),
        ] {
            let error = decode(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn hex_has_pairs_of_digits_in_any_case() {
        let decode = |text: &str| Encoding::Hex.decode(text.as_bytes());
        assert_eq!(decode("00fFA1").unwrap()[..], [0, 255, 161]);
        for (text, reason) in [
            ("0", "number of digits is odd"),
            ("0x00", "another alphabet at position 2"),
            ("00 ff", "has a space at position 3"),
        ] {
            let error = decode(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
