//! Amazon Resource Names.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.

use std::fmt;
use std::str::FromStr;

use crate::Region;

/// The service that an object's ARN belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// `secretsmanager`: AWS Secrets Manager.
    SecretsManager,
    /// `ssm`: the Parameter Store of AWS Systems Manager.
    Ssm,
}

/// The ARN of a secret or a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov` …
    pub partition: String,
    /// Which of the two services.
    pub service: Service,
    /// The region it is in.
    pub region: Region,
    /// The owner's account, twelve digits.
    pub account: String,
    /// What follows: `secret:NAME-SUFFIX` or `parameter/NAME`.
    pub resource: String,
}

/// Why a string is not the ARN of a secret or a parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArn {
    /// Not `arn:partition:service:region:account:resource`.
    #[error(
        "{0:?} is not a whole ARN: it has the form arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE"
    )]
    Form(String),
    /// Another service's.
    #[error("an ARN of the service {0:?}: only secretsmanager and ssm hold secrets for files")]
    Service(String),
    /// Its region is no region's name.
    #[error("in its ARN, {0}")]
    Region(#[from] crate::region::InvalidRegion),
    /// Its account is not twelve digits.
    #[error("in its ARN, the account {0:?} is not twelve digits")]
    Account(String),
    /// Its resource is not a secret or a parameter.
    #[error("in its ARN, {resource:?} is not of the form {expected}")]
    Resource {
        /// As written.
        resource: String,
        /// What the service's resources look like.
        expected: &'static str,
    },
}

impl Arn {
    /// Does this text mean to be an ARN?
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("arn:")
    }
}

/// The six parts of an ARN.
fn parts(text: &str) -> Option<[&str; 6]> {
    let mut parts = text.splitn(6, ':');
    let all = std::array::from_fn(|_| parts.next().unwrap_or_default());
    (all[0] == "arn"
        && all
            .iter()
            .all(|part: &&str| !part.contains(char::is_whitespace))
        && !all[5].is_empty())
    .then_some(all)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

impl FromStr for Arn {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let [_, partition, service, region, account, resource] =
            parts(text).ok_or_else(|| InvalidArn::Form(text.to_owned()))?;
        if partition.is_empty() {
            return Err(InvalidArn::Form(text.to_owned()));
        }
        let (service, prefix, expected) = match service {
            "secretsmanager" => (Service::SecretsManager, "secret:", "secret:NAME"),
            "ssm" => (Service::Ssm, "parameter/", "parameter/NAME"),
            other => return Err(InvalidArn::Service(other.to_owned())),
        };
        let region = region.parse()?;
        if !is_account(account) {
            return Err(InvalidArn::Account(account.to_owned()));
        }
        if resource.strip_prefix(prefix).is_none_or(str::is_empty) {
            return Err(InvalidArn::Resource {
                resource: resource.to_owned(),
                expected,
            });
        }
        Ok(Self {
            partition: partition.to_owned(),
            service,
            region,
            account: account.to_owned(),
            resource: resource.to_owned(),
        })
    }
}

/// The ARN of an IAM role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn(String);

/// Why a string is not the ARN of an IAM role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of an IAM role: it has the form arn:aws:iam::ACCOUNT:role/NAME")]
pub struct InvalidRoleArn(String);

impl RoleArn {
    /// The ARN as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The role's account, twelve digits.
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl FromStr for RoleArn {
    type Err = InvalidRoleArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let role = |[_, partition, service, region, account, resource]: [&str; 6]| {
            !partition.is_empty()
                && service == "iam"
                && region.is_empty()
                && is_account(account)
                && resource
                    .strip_prefix("role/")
                    .is_some_and(|name| !name.is_empty())
        };
        if parts(text).is_some_and(role) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRoleArn(text.to_owned()))
        }
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_secrets_and_parameters_of_every_partition() {
        let secret: Arn = "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:a/b-00AACC"
            .parse()
            .unwrap();
        assert_eq!(
            (secret.service, secret.region.as_str()),
            (Service::SecretsManager, "cn-north-1")
        );
        let parameter: Arn = "arn:aws:ssm:us-east-2:111122223333:parameter/app/db:3"
            .parse()
            .unwrap();
        assert_eq!(
            (parameter.service, parameter.resource.as_str()),
            (Service::Ssm, "parameter/app/db:3")
        );
    }

    #[test]
    fn says_which_part_is_wrong() {
        let error = |text: &str| text.parse::<Arn>().unwrap_err().to_string();
        assert!(error("arn:aws:secretsmanager:us-east-2").contains("not a whole ARN"));
        assert!(error("arn:aws:s3:::bucket").contains("service \"s3\""));
        assert!(error("arn:aws:ssm::111122223333:parameter/a").contains("not an AWS region"));
        assert!(
            error("arn:aws:ssm:us-east-2:[111122223333]:parameter/a").contains("not twelve digits")
        );
        assert!(error("arn:aws:ssm:us-east-2:111122223333:secret:a").contains("parameter/NAME"));
        assert!(
            error("arn:aws:secretsmanager:us-east-2:111122223333:secret:").contains("secret:NAME")
        );
    }

    #[test]
    fn a_role_is_a_role_and_nothing_else() {
        assert!(
            "arn:aws:iam::111122223333:role/path/app"
                .parse::<RoleArn>()
                .is_ok()
        );
        for bad in [
            "app",
            "arn:aws:iam::111122223333:user/app",
            "arn:aws:iam::1:role/app",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:sts::111122223333:role/app",
        ] {
            assert!(bad.parse::<RoleArn>().is_err(), "{bad}");
        }
    }
}
