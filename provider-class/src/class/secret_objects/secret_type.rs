//! Types of Secrets, and the keys that each must have.

use crate::printable::steers;
use crate::words::name::shown;
use crate::words::nearest::nearest;

/// Certificates and their private key.
pub(super) const TLS: &str = "kubernetes.io/tls";
/// Its keys.
pub(super) const TLS_CERTIFICATE: &str = "tls.crt";
pub(super) const TLS_KEY: &str = "tls.key";
/// Kubernetes writes a token of a ServiceAccount into such a Secret.
const TOKEN: &str = "kubernetes.io/service-account-token";

/// Types with required keys; one of each list must be there, and for [`TLS`] all.
///
/// Source: <https://kubernetes.io/docs/concepts/configuration/secret/#secret-types>.
const KNOWN: [(&str, &[&str]); 6] = [
    ("Opaque", &[]),
    (TLS, &[TLS_CERTIFICATE, TLS_KEY]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/basic-auth", &["username", "password"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

/// Checks a type. The error says what to write.
pub(super) fn check(secret_type: &str) -> Result<(), String> {
    if let Some(character) = secret_type.chars().find(|character| steers(*character)) {
        return Err(format!(
            "is {}, which has the control character U+{:04X} in it: remove it",
            shown(secret_type),
            u32::from(character)
        ));
    }
    if secret_type == TOKEN {
        return Err(format!(
            "{TOKEN} is not allowed: Kubernetes would put a token of a ServiceAccount into the Secret; write \"Opaque\""
        ));
    }
    Ok(())
}

/// The type that a misspelt one probably means.
pub(super) fn meant(secret_type: &str) -> Option<&'static str> {
    let known = KNOWN.map(|(name, _)| name);
    if known.contains(&secret_type) {
        return None;
    }
    nearest(secret_type, &known)
}

/// Checks the keys of a Secret of this type. The error says what to write.
pub(super) fn check_keys(secret_type: &str, keys: &[&str]) -> Result<(), String> {
    let known = KNOWN.iter().find(|(name, _)| *name == secret_type);
    let Some((_, required)) = known else {
        return Ok(());
    };
    if secret_type == TLS {
        if let Some(other) = keys.iter().find(|key| !required.contains(key)) {
            return Err(format!(
                "has the key {}, but a Secret of type {TLS} has only tls.crt and tls.key: remove it, or write \"type: Opaque\"",
                shown(other)
            ));
        }
        if let Some(missing) = required.iter().find(|key| !keys.contains(*key)) {
            return Err(format!(
                "lacks the key {missing}, which a Secret of type {TLS} needs: add it; both keys can have the same objectName"
            ));
        }
    } else if !required.is_empty() && !required.iter().any(|key| keys.contains(key)) {
        return Err(format!(
            "lacks the key {}, which a Secret of type {secret_type} needs: add it, or write \"type: Opaque\"",
            required.join(" or ")
        ));
    }
    Ok(())
}
