//! The IAM role of a ServiceAccount, as IAM roles for service accounts (IRSA) write it.
//!
//! Source: <https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough>.

use std::collections::BTreeMap;

use provider_class::RoleArn;

/// The annotation with the role.
pub const ROLE: &str = "eks.amazonaws.com/role-arn";
const AUDIENCE: &str = "eks.amazonaws.com/audience";
const EXPIRATION: &str = "eks.amazonaws.com/token-expiration";

const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";
const DEFAULT_EXPIRATION: i64 = 3600;
/// What the API server takes for a projected token, in seconds; a day is EKS's own bound.
const EXPIRATIONS: std::ops::RangeInclusive<i64> = 600..=86400;

/// What a ServiceAccount says about its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role.
    pub arn: RoleArn,
    /// Whom the token is for.
    pub audience: String,
    /// How long a token holds, in seconds.
    pub expiration: i64,
}

/// Why a ServiceAccount has no usable role. The name of the ServiceAccount is for the caller to add.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRole {
    /// No role.
    #[error("has no annotation {ROLE}")]
    Missing,
    /// An annotation with a value that means nothing.
    #[error("annotation {annotation}: {reason}")]
    Annotation {
        /// Which.
        annotation: &'static str,
        /// Why.
        reason: String,
    },
}

impl Role {
    /// Reads a ServiceAccount's annotations.
    pub fn read(annotations: &BTreeMap<String, String>) -> Result<Self, InvalidRole> {
        let get = |name: &str| {
            annotations
                .get(name)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let arn = get(ROLE).ok_or(InvalidRole::Missing)?.parse::<RoleArn>();
        let arn = arn.map_err(|error| InvalidRole::Annotation {
            annotation: ROLE,
            reason: error.to_string(),
        })?;
        let expiration = match get(EXPIRATION) {
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
        Ok(Self {
            arn,
            audience: get(AUDIENCE).unwrap_or(DEFAULT_AUDIENCE).to_owned(),
            expiration,
        })
    }
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
