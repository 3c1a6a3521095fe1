//! Names of objects and namespaces of Kubernetes. Whoever has one may put it into a path, a query or a selector: it has no
//! character with a meaning there.
//!
//! Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#names>.

use std::fmt;
use std::str::FromStr;

use super::name::shown;

/// Longest name of an object.
const LONGEST_NAME: usize = 253;
/// Longest name of a namespace or container.
const LONGEST_LABEL: usize = 63;

/// The name of an object: a DNS subdomain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

/// The name of a namespace: a DNS label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(ObjectName);

/// Why a text is not such a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not the name of an object.
    #[error(
        "{0} is not the name of an object: use at most 253 lowercase letters, digits, \"-\" and \".\", and start and end with a letter or digit"
    )]
    Object(String),
    /// Not the name of a namespace.
    #[error(
        "{0} is not the name of a namespace: use at most 63 lowercase letters, digits and \"-\", and start and end with a letter or digit"
    )]
    Namespace(String),
}

/// The name of a namespace or container.
pub(crate) fn is_dns_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && !text.contains('.') && is_subdomain(text)
}

pub(super) fn is_subdomain(text: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().copied().is_some_and(is_alphanumeric)
            && bytes.last().copied().is_some_and(is_alphanumeric)
            && bytes
                .iter()
                .all(|byte| is_alphanumeric(*byte) || *byte == b'-')
    };
    text.len() <= LONGEST_NAME && text.split('.').all(is_label)
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_subdomain(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::Object(shown(text)))
        }
    }
}

impl FromStr for Namespace {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_dns_label(text) {
            Ok(Self(ObjectName(text.to_owned())))
        } else {
            Err(InvalidName::Namespace(shown(text)))
        }
    }
}

impl ObjectName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Namespace {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// In quotes, as messages have it.
impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// In quotes, as messages have it.
impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_path_is_no_name() {
        let long = "a".repeat(64);
        for (text, is_object, is_namespace) in [
            ("db", true, true),
            ("1-a", true, true),
            ("a.b", true, false),
            (&long[..63], true, true),
            (&long, true, false),
            ("", false, false),
            ("Db", false, false),
            ("a/b", false, false),
            ("..", false, false),
            (".", false, false),
            ("a?watch=true", false, false),
            ("a%2fb", false, false),
            ("a,b", false, false),
            ("a=b", false, false),
            ("a b", false, false),
            ("a\r\n", false, false),
        ] {
            assert_eq!(text.parse::<ObjectName>().is_ok(), is_object, "{text:?}");
            assert_eq!(text.parse::<Namespace>().is_ok(), is_namespace, "{text:?}");
        }
        let name = "db".parse::<Namespace>().unwrap();
        assert_eq!(format!("{name} {name:?}"), "db \"db\"");
    }
}
