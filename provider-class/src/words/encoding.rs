//! How a value is encoded in AWS (`objectEncoding`): it is decoded before it becomes a file.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc4648>, sections 4 and 8. Line breaks are skipped, as Go's decoders do: tools such as
//! `base64` write them.

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

/// Strict in everything but padding and line breaks.
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
        let decoder = match self {
            Self::Utf8 => return Ok(Zeroizing::new(value.to_vec())),
            Self::Base64 => base64,
            Self::Hex => hex,
        };
        // As large as it may get, so that no part of it is left behind in memory by growing.
        let mut digits = Zeroizing::new(Vec::with_capacity(value.len()));
        digits.extend(value.iter().filter(|byte| !is_line_break(**byte)));
        decoder(&digits).map_err(|invalid| invalid.describe(value))
    }
}

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Why digits stand for no bytes.
enum Invalid {
    /// The one at this index, counted without line breaks, is none.
    Digit(usize),
    /// Their number or their end.
    Other(&'static str),
}

fn base64(digits: &[u8]) -> Result<Zeroizing<Vec<u8>>, Invalid> {
    // The decoder looks at the length first.
    if let Some(at) = digits.iter().position(u8::is_ascii_whitespace) {
        return Err(Invalid::Digit(at));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len()));
    match BASE64.decode_vec(digits, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(DecodeError::InvalidByte(at, _)) => Err(Invalid::Digit(at)),
        Err(DecodeError::InvalidLength(_) | DecodeError::InvalidPadding) => {
            Err(Invalid::Other("its length does not fit"))
        }
        Err(DecodeError::InvalidLastSymbol { .. }) => Err(Invalid::Other("it was cut off")),
    }
}

fn hex(digits: &[u8]) -> Result<Zeroizing<Vec<u8>>, Invalid> {
    if let Some(at) = digits.iter().position(|byte| !byte.is_ascii_hexdigit()) {
        return Err(Invalid::Digit(at));
    }
    if !digits.len().is_multiple_of(2) {
        return Err(Invalid::Other("its number of digits is odd"));
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.chunks_exact(2) {
        let byte = digit(pair[0]) * 16 + digit(pair[1]);
        bytes.push(u8::try_from(byte).unwrap_or_default());
    }
    Ok(bytes)
}

impl Invalid {
    /// What is wrong, and where in the value with its line breaks.
    fn describe(&self, value: &[u8]) -> String {
        let index = match *self {
            Self::Other(reason) => return reason.to_owned(),
            Self::Digit(index) => index,
        };
        let mut digits = (1..).zip(value).filter(|(_, byte)| !is_line_break(**byte));
        let (position, byte) = digits.nth(index).unwrap_or((0, &0));
        let what = if byte.is_ascii_whitespace() {
            "a space"
        } else {
            "a character of another alphabet"
        };
        format!("it has {what} at position {position}")
    }
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
    fn base64_has_padding_or_not_and_line_breaks_and_is_otherwise_strict() {
        let decode = |text: &str| {
            let bytes = Encoding::Base64.decode(text.as_bytes());
            bytes.map(|bytes| bytes.to_vec())
        };
        for (text, bytes) in [
            ("", &b""[..]),
            ("aGk=", b"hi"),
            ("aGk", b"hi"),
            ("/+8=", &[0xff, 0xef]),
            ("aGk=\n", b"hi"),
            ("aG\r\nk\r\n", b"hi"),
            ("\n", b""),
        ] {
            assert_eq!(decode(text).as_deref(), Ok(bytes), "{text}");
        }
        for (text, reason) in [
            ("aG k", "has a space at position 3"),
            ("aG\n\tk", "has a space at position 4"),
            ("_-8=", "another alphabet at position 1"),
            ("\r\naGk=\n!", "another alphabet at position 8"),
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
        assert_eq!(decode("0\n0f\r\nF\n").unwrap()[..], [0, 255]);
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
