//! Names and values that the API server accepts.

use super::name::shown;
use super::object_name::{ObjectName, is_subdomain};

/// Longest key of a Secret.
const LONGEST_KEY: usize = 253;
/// Longest part of a label or annotation: its name without prefix, and a label's value.
const LONGEST_WORD: usize = 63;

/// Why Kubernetes refuses a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidForKubernetes {
    /// Not the name of an object.
    #[error(
        "{0} is not a name of a Secret: use at most 253 lowercase letters, digits, \"-\" and \".\", and start and end with a letter or digit"
    )]
    Name(String),
    /// Not the name of a class.
    #[error(
        "{0} is not a name in Kubernetes: use at most 253 lowercase letters, digits, \"-\" and \".\", and start and end with a letter or digit"
    )]
    ClassName(String),
    /// Not a key of a Secret.
    #[error(
        "{0} is not a key of a Secret: use at most 253 letters, digits, \"-\", \"_\" and \".\", and do not start with \"..\""
    )]
    Key(String),
    /// Not the name of a label or annotation.
    #[error(
        "{0} is not a name of a label or annotation: write \"name\" or \"example.com/name\", with at most 63 letters, digits, \"-\", \"_\" and \".\" after the \"/\""
    )]
    LabelName(String),
    /// Not the value of a label.
    #[error(
        "{0} is not a value of a label: use at most 63 letters, digits, \"-\", \"_\" and \".\", and start and end with a letter or digit"
    )]
    LabelValue(String),
}

/// The name of a Secret, a DNS subdomain.
///
/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>.
pub(crate) fn secret_name(text: &str) -> Result<ObjectName, InvalidForKubernetes> {
    text.parse()
        .map_err(|_| InvalidForKubernetes::Name(shown(text)))
}

/// The name of a class, a DNS subdomain, too.
pub(crate) fn class_name(text: &str) -> Result<ObjectName, InvalidForKubernetes> {
    text.parse()
        .map_err(|_| InvalidForKubernetes::ClassName(shown(text)))
}

/// A key of a Secret's data.
///
/// Source: `IsConfigMapKey` of <https://pkg.go.dev/k8s.io/apimachinery/pkg/util/validation>.
pub(crate) fn secret_key(text: &str) -> Result<String, InvalidForKubernetes> {
    let is_valid = !text.is_empty()
        && text.len() <= LONGEST_KEY
        && text.bytes().all(is_of_word)
        && text != "."
        && !text.starts_with("..");
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err(InvalidForKubernetes::Key(shown(text)))
    }
}

/// The name of a label or annotation.
///
/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>.
pub(crate) fn label_name(text: &str) -> Result<String, InvalidForKubernetes> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if !name.is_empty() && is_word(name) && prefix.is_none_or(is_subdomain) {
        Ok(text.to_owned())
    } else {
        Err(InvalidForKubernetes::LabelName(shown(text)))
    }
}

/// The value of a label, which may be empty.
pub(crate) fn label_value(text: &str) -> Result<String, InvalidForKubernetes> {
    if is_word(text) {
        Ok(text.to_owned())
    } else {
        Err(InvalidForKubernetes::LabelValue(shown(text)))
    }
}

/// The number of a port, in digits alone: `u16` takes a sign, too.
pub(crate) fn port(text: &str) -> Option<u16> {
    let are_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| are_digits && *port > 0)
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// An empty text, or one that starts and ends with a letter or digit.
fn is_word(text: &str) -> bool {
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= LONGEST_WORD
        && text.bytes().all(is_of_word)
        && ends.iter().flatten().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keys_and_labels_are_those_that_the_api_server_accepts() {
        let long = "a".repeat(254);
        for (text, is_name, is_key, is_label, is_value) in [
            ("db-credentials", true, true, true, true),
            ("a.b", true, true, true, true),
            ("1", true, true, true, true),
            ("A_b", false, true, true, true),
            (".dockerconfigjson", false, true, false, false),
            ("", false, false, false, true),
            (".", false, false, false, false),
            ("..a", false, false, false, false),
            ("a..b", false, true, true, true),
            ("-a", false, true, false, false),
            ("a-", false, true, false, false),
            ("é", false, false, false, false),
            ("example.com/team", false, false, true, false),
            ("Example.com/team", false, false, false, false),
            ("example.com/", false, false, false, false),
            ("a/b/c", false, false, false, false),
            ("a b", false, false, false, false),
            (&long[..253], true, true, false, false),
            (&long, false, false, false, false),
            (&long[..63], true, true, true, true),
        ] {
            assert_eq!(secret_name(text).is_ok(), is_name, "{text}");
            assert_eq!(secret_key(text).is_ok(), is_key, "{text}");
            assert_eq!(label_name(text).is_ok(), is_label, "{text}");
            assert_eq!(label_value(text).is_ok(), is_value, "{text}");
        }
    }
}
