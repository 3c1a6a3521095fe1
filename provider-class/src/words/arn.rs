//! Amazon Resource Names.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.

use std::fmt;
use std::str::FromStr;

use super::name;
use super::region::{InvalidRegion, Region};

/// What an object is (`objectType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectType {
    /// `secretsmanager`: a secret of AWS Secrets Manager.
    Secret,
    /// `ssmparameter`: a parameter of the Parameter Store of AWS Systems Manager.
    Parameter,
}

impl ObjectType {
    /// As `objectType` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secretsmanager",
            Self::Parameter => "ssmparameter",
        }
    }

    pub(crate) fn of(text: &str) -> Option<Self> {
        [Self::Secret, Self::Parameter]
            .into_iter()
            .find(|object_type| object_type.as_str() == text)
    }
}

/// The ARN of a secret or a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov` …
    pub partition: String,
    /// What it is the ARN of.
    pub object_type: ObjectType,
    /// The region it is in.
    pub region: Region,
    /// The owner's account, twelve digits; empty for a parameter that AWS publishes.
    pub account: String,
    /// What follows: `secret:NAME-SUFFIX` or `parameter/NAME`.
    pub resource: String,
}

/// Why a string is not the ARN of a secret or a parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArn {
    /// Not `arn:partition:service:region:account:resource`.
    #[error(
        "{0:?} is not a complete ARN: the form is arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE"
    )]
    Form(String),
    /// It belongs to another service.
    #[error("is an ARN of the service {0:?}: only secretsmanager and ssm are supported")]
    Service(String),
    /// Its region is not the name of a region.
    #[error("in its ARN, {0}")]
    Region(#[from] InvalidRegion),
    /// Its partition is not its region's.
    #[error(
        "in its ARN, the partition {partition:?} does not fit the region {region}: write {meant:?}"
    )]
    Partition {
        /// As written.
        partition: String,
        /// The region.
        region: Region,
        /// The region's partition.
        meant: &'static str,
    },
    /// Its account is not twelve digits.
    #[error("in its ARN, the account {0:?} is not twelve digits")]
    Account(String),
    /// Its resource is not a secret or a parameter.
    #[error("in its ARN, {resource:?} is not of the form {expected}")]
    Resource {
        /// As written.
        resource: String,
        /// The form of the service's resources.
        expected: &'static str,
    },
}

impl Arn {
    /// Is this text meant to be an ARN?
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("arn:")
    }

    /// The name of the secret, with the characters that AWS adds to it, or of the parameter, without a slash in front and
    /// with a version or label.
    pub fn name(&self) -> &str {
        let start = match self.object_type {
            ObjectType::Secret => SECRET,
            ObjectType::Parameter => PARAMETER,
        };
        self.resource.strip_prefix(start).unwrap_or(&self.resource)
    }

    /// The six letters and digits after the last hyphen, which is how Secrets Manager ends an ARN.
    pub(crate) fn suffix(&self) -> Option<&str> {
        let (_, end) = self.name().rsplit_once('-')?;
        (end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(end)
    }
}

const SECRET: &str = "secret:";
const PARAMETER: &str = "parameter/";

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
        let (object_type, prefix, expected) = match service {
            "secretsmanager" => (ObjectType::Secret, SECRET, "secret:NAME"),
            "ssm" => (ObjectType::Parameter, PARAMETER, "parameter/NAME"),
            other => return Err(InvalidArn::Service(other.to_owned())),
        };
        let region: Region = region.parse()?;
        if let Some(meant) = region.partition().filter(|meant| *meant != partition) {
            return Err(InvalidArn::Partition {
                partition: partition.to_owned(),
                region,
                meant,
            });
        }
        // Parameters that AWS publishes belong to no account.
        let is_public = account.is_empty() && resource.starts_with("parameter/aws/");
        if !is_account(account) && !is_public {
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
            object_type,
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
#[error("{0:?} is not the ARN of an IAM role: the form is arn:aws:iam::ACCOUNT:role/NAME")]
pub struct InvalidRoleArn(String);

impl RoleArn {
    /// The ARN as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `aws`, `aws-cn`, `aws-us-gov` …
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    /// The role's account, twelve digits.
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl FromStr for RoleArn {
    type Err = InvalidRoleArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some([_, partition, "iam", "", account, resource]) = parts(text)
            && !partition.is_empty()
            && is_account(account)
            && resource.len() > "role/".len()
            && resource.starts_with("role/")
            && name::written(text).is_ok()
        {
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
            (secret.object_type, secret.region.as_str()),
            (ObjectType::Secret, "cn-north-1")
        );
        let parameter: Arn = "arn:aws:ssm:us-east-2:111122223333:parameter/app/db:3"
            .parse()
            .unwrap();
        assert_eq!(
            (parameter.object_type, parameter.resource.as_str()),
            (ObjectType::Parameter, "parameter/app/db:3")
        );
    }

    #[test]
    fn says_which_part_is_wrong() {
        let error = |text: &str| text.parse::<Arn>().unwrap_err().to_string();
        assert!(error("arn:aws:secretsmanager:us-east-2").contains("not a complete ARN"));
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
    fn a_partition_fits_its_region() {
        for (arn, meant) in [
            ("arn:aws-cn:ssm:us-east-2:111122223333:parameter/a", "aws"),
            ("arn:aws:ssm:cn-north-1:111122223333:parameter/a", "aws-cn"),
            (
                "arn:aws:ssm:us-gov-west-1:111122223333:parameter/a",
                "aws-us-gov",
            ),
            (
                "arn:aws-us-gov:ssm:eu-west-1:111122223333:parameter/a",
                "aws",
            ),
        ] {
            let error = arn.parse::<Arn>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("write {meant:?}")), "{error}");
            let rest = arn.splitn(3, ':').nth(2).unwrap();
            assert!(
                format!("arn:{meant}:{rest}").parse::<Arn>().is_ok(),
                "the hint works"
            );
        }
        assert!(
            "arn:aws-new:ssm:xx-new-1:111122223333:parameter/a"
                .parse::<Arn>()
                .is_ok()
        );
    }

    #[test]
    fn what_aws_publishes_has_no_account() {
        let arn = "arn:aws:ssm:us-east-2::parameter/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended";
        assert!(arn.parse::<Arn>().is_ok());
        assert!(arn.replace("/aws/", "/own/").parse::<Arn>().is_err());
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
            "arn:aws:iam::111122223333:role/${ROLE}",
            "arn:aws:iam::111122223333:role/*",
        ] {
            assert!(bad.parse::<RoleArn>().is_err(), "{bad}");
        }
    }
}
