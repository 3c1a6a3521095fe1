//! The IAM role of a ServiceAccount, as IAM roles for service accounts (IRSA) write it.
//!
//! Source: <https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough>.

use std::collections::BTreeMap;

use provider_class::RoleArn;

/// The annotation with the role.
pub(crate) const ROLE: &str = "eks.amazonaws.com/role-arn";
const AUDIENCE: &str = "eks.amazonaws.com/audience";
const EXPIRATION: &str = "eks.amazonaws.com/token-expiration";

/// All annotations that are read.
pub(crate) const ANNOTATIONS: [&str; 3] = [ROLE, AUDIENCE, EXPIRATION];

/// Bytes of the longest value: an ARN has at most 2,048 characters.
pub(crate) const LONGEST: usize = 2048;

const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";
const DEFAULT_EXPIRATION: i64 = 3600;
/// What the API server takes for a projected token, in seconds; a day is EKS's own bound.
const EXPIRATIONS: std::ops::RangeInclusive<i64> = 600..=86400;

/// What a ServiceAccount says about its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role.
    pub arn: RoleArn,
    /// The audience of the token.
    pub audience: String,
    /// Validity of a token in seconds.
    pub expiration: i64,
}

/// Why a ServiceAccount has no usable role. The name of the ServiceAccount is for the caller to add.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRole {
    /// No role.
    #[error("has no annotation {ROLE}")]
    Missing,
    /// An annotation with an invalid value.
    #[error("annotation {annotation}: {reason}")]
    Annotation {
        /// The annotation's name.
        annotation: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
}

impl Role {
    /// Reads a ServiceAccount's annotations.
    pub fn read(annotations: &BTreeMap<String, String>) -> Result<Self, InvalidRole> {
        for annotation in ANNOTATIONS {
            let bytes = annotations.get(annotation).map_or(0, String::len);
            if bytes > LONGEST {
                let reason =
                    format!("has {bytes} bytes, but can have at most {LONGEST}: shorten it");
                return Err(InvalidRole::Annotation { annotation, reason });
            }
        }
        let arn = value(annotations, ROLE).ok_or(InvalidRole::Missing)?;
        let arn = arn.parse::<RoleArn>();
        let arn = arn.map_err(|error| InvalidRole::Annotation {
            annotation: ROLE,
            reason: error.to_string(),
        })?;
        let expiration = match value(annotations, EXPIRATION) {
            None => DEFAULT_EXPIRATION,
            Some(text) => text
                .parse()
                .ok()
                .filter(|seconds| EXPIRATIONS.contains(seconds))
                .ok_or_else(|| {
                    let reason = format!(
                        "{text:?} is not a number of seconds from {} to {}",
                        EXPIRATIONS.start(),
                        EXPIRATIONS.end()
                    );
                    InvalidRole::Annotation {
                        annotation: EXPIRATION,
                        reason,
                    }
                })?,
        };
        let audience = value(annotations, AUDIENCE).unwrap_or(DEFAULT_AUDIENCE);
        Ok(Self {
            arn,
            audience: audience.to_owned(),
            expiration,
        })
    }
}

/// The value of an annotation without the spaces around it; one that is empty counts as missing.
fn value<'a>(annotations: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let value = annotations.get(name)?.trim();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Role, InvalidRole> {
        Role::read(
            &pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    const ARN: (&str, &str) = (ROLE, "arn:aws:iam::111122223333:role/web");

    #[test]
    fn defaults_and_overrides() {
        let role = read(&[ARN]).unwrap();
        assert_eq!(
            (role.audience.as_str(), role.expiration),
            ("sts.amazonaws.com", 3600)
        );
        let role = read(&[ARN, (AUDIENCE, "sts.amazonaws.com.cn"), (EXPIRATION, "600")]).unwrap();
        assert_eq!(
            (role.audience.as_str(), role.expiration),
            ("sts.amazonaws.com.cn", 600)
        );
    }

    #[test]
    fn says_what_is_missing_or_wrong() {
        assert_eq!(read(&[]), Err(InvalidRole::Missing));
        assert!(
            read(&[(ROLE, "web")])
                .unwrap_err()
                .to_string()
                .contains("not the ARN of an IAM role")
        );
        for bad in ["599", "86401", "1h"] {
            assert!(read(&[ARN, (EXPIRATION, bad)]).is_err(), "{bad}");
        }
    }
}
