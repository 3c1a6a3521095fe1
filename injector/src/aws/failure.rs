//! What went wrong with a call, in words that tell what to mend, and whether another region may be asked instead.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use provider_class::Region;

use crate::aws::Service;

/// A call that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which service was asked.
    pub service: Service,
    /// In which region, where the service has regions.
    pub region: Option<Region>,
    /// Why it failed.
    pub cause: Cause,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The service answered with an error.
    Refused {
        /// Its code, such as `AccessDeniedException`.
        code: String,
        /// Its message.
        message: String,
    },
    /// No answer, or not a whole one: what the HTTP client says.
    NoAnswer(String),
    /// Time ran out; what the last attempt met, if there was one.
    Deadline {
        /// All the time there was, in seconds.
        seconds: u64,
        /// The last attempt's failure.
        last: Option<Box<Cause>>,
    },
    /// An answer that is not of the service's form.
    Malformed(String),
    /// Something on our side of the call: a missing variable, an unreadable token file.
    Setup(String),
}

impl Failure {
    /// A failure before the call.
    pub fn setup(service: Service, reason: impl Into<String>) -> Self {
        Self {
            service,
            region: None,
            cause: Cause::Setup(reason.into()),
        }
    }

    /// Would the failover region give the same answer? Then it is not asked.
    ///
    /// Source: the failover rules of AWS's provider for the Secrets Store CSI Driver: an error that names a mistake in
    /// the request is final, anything that may be the region's own trouble is not.
    pub fn is_final(&self) -> bool {
        match &self.cause {
            Cause::Refused { code, .. } => matches!(
                (self.service, code.as_str()),
                (
                    Service::SecretsManager,
                    "ResourceNotFoundException"
                        | "InvalidParameterException"
                        | "InvalidRequestException"
                        | "DecryptionFailure"
                        | "DecryptionFailureException"
                ) | (Service::Ssm, "InvalidKeyId" | "InvalidParameters")
                    | (
                        Service::Sts,
                        "InvalidIdentityToken" | "ExpiredTokenException" | "ExpiredToken"
                    )
            ),
            Cause::Setup(_) => true,
            Cause::NoAnswer(_) | Cause::Deadline { .. } | Cause::Malformed(_) => false,
        }
    }
}

impl Cause {
    /// From the SDK's error.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                Self::refused(context.err(), Some(context.raw().status().as_u16()))
            }
            SdkError::ResponseError(context) => {
                let status = context.raw().status();
                if status.is_success() {
                    Self::cut_short()
                } else {
                    Self::Refused {
                        code: format!("HTTP status {status}"),
                        message: String::new(),
                    }
                }
            }
            SdkError::ConstructionFailure(_) => Self::Setup(chain(error)),
            other => match chain(other).split_once(CONTRADICTION) {
                Some((_, what)) => Self::Setup(format!("{CONTRADICTION}{what}")),
                None => Self::NoAnswer(chain(other)),
            },
        }
    }

    /// From the operation's error and the answer's HTTP status.
    pub(super) fn refused(error: &impl ProvideErrorMetadata, status: Option<u16>) -> Self {
        let message = error.message().unwrap_or_default().trim().to_owned();
        match (error.code(), status) {
            (Some(code), _) => Self::Refused {
                code: code.to_owned(),
                message,
            },
            (None, Some(status)) if !(200..300).contains(&status) => Self::Refused {
                code: format!("HTTP status {status}"),
                message,
            },
            (None, _) => Self::cut_short(),
        }
    }

    /// An answer that cannot be parsed. The parser's own words could quote it, and it may be a secret.
    fn cut_short() -> Self {
        Self::Malformed("it ended early, or is not of the service's form".to_owned())
    }

    /// Is waiting all that helps?
    pub fn is_throttling(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(
            code.as_str(),
            "ThrottlingException" | "Throttling" | "ThrottledException" | "TooManyRequestsException" | "RequestLimitExceeded"
                | "RequestThrottled" | "RequestThrottledException" | "SlowDown" | "BandwidthLimitExceeded" | "LimitExceededException"
                | "PriorRequestNotComplete" | "TransactionInProgressException" | "HTTP status 429"
        ))
    }
}

/// How the SDK's endpoint rules begin when settings contradict each other; it has no other mark.
const CONTRADICTION: &str = "Invalid Configuration: ";

/// An error with its causes, each said once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !texts.iter().any(|other| other.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    if texts.is_empty() {
        error.to_string()
    } else {
        texts.join(": ")
    }
}

/// Says why, without what to do.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } if message.is_empty() => f.write_str(code),
            Self::Refused { code, message } => {
                write!(f, "{code}: {}", message.trim_end_matches('.'))
            }
            Self::NoAnswer(reason) => write!(f, "no answer: {reason}"),
            Self::Deadline {
                seconds,
                last: None,
            } => write!(f, "no answer within {seconds} s (--timeout)"),
            Self::Deadline {
                seconds,
                last: Some(last),
            } => {
                write!(
                    f,
                    "no success within {seconds} s (--timeout), the last attempt: {last}"
                )
            }
            Self::Malformed(reason) => write!(f, "the answer cannot be read: {reason}"),
            Self::Setup(reason) => f.write_str(reason),
        }
    }
}

/// Says where, why, and what to do.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.service)?;
        if let Some(region) = &self.region {
            write!(f, " in {region}")?;
        }
        write!(f, ": {}", self.cause)?;
        match self.hint() {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}

impl Failure {
    /// What to do about it.
    fn hint(&self) -> Option<&'static str> {
        let cause = match &self.cause {
            Cause::Deadline {
                last: Some(last), ..
            } => last,
            cause => cause,
        };
        let code = match cause {
            Cause::Refused { code, .. } => code.as_str(),
            Cause::NoAnswer(_) | Cause::Deadline { .. } => return Some(NO_ANSWER),
            Cause::Malformed(_) | Cause::Setup(_) => return None,
        };
        let denied = code.starts_with("AccessDenied");
        Some(match (self.service, code) {
            (Service::SecretsManager, "ResourceNotFoundException") => {
                "create the secret (or that version or label of it) in this region, or correct objectName"
            }
            (Service::SecretsManager, _) if denied => {
                "allow secretsmanager:GetSecretValue (and secretsmanager:DescribeSecret, to refresh) on this secret in the policy of the pod's role, and kms:Decrypt on its key if it has one of its own"
            }
            (Service::SecretsManager, "InvalidRequestException") => {
                "restore the secret if it is scheduled for deletion, or correct objectVersion and objectVersionLabel"
            }
            (Service::SecretsManager, "DecryptionFailure" | "DecryptionFailureException")
            | (Service::Ssm, "InvalidKeyId") => {
                "allow kms:Decrypt on its key in the policy of the pod's role, and see that the key is enabled"
            }
            (Service::Ssm, "InvalidParameters") => {
                "create the parameter (or that version or label of it) in this region, or correct objectName"
            }
            (Service::Ssm, _) if denied => {
                "allow ssm:GetParameters on this parameter in the policy of the pod's role, and kms:Decrypt on its key if it has one of its own"
            }
            (Service::Sts, _) if denied => {
                "the role's trust policy must allow sts:AssumeRoleWithWebIdentity to this ServiceAccount of this cluster's OIDC provider"
            }
            (Service::Sts, "InvalidIdentityToken") => {
                "register the cluster's OIDC provider in IAM, and see that the token's audience is one of its client IDs"
            }
            (Service::Sts, "ExpiredTokenException" | "ExpiredToken") => {
                "the pod's token is out of date: see that the node's clock is right"
            }
            (Service::PodIdentityAgent, _) => {
                "create a Pod Identity association for this ServiceAccount, and see that the agent's add-on runs on the node"
            }
            (
                _,
                "UnrecognizedClientException"
                | "InvalidClientTokenId"
                | "ExpiredTokenException"
                | "ExpiredToken",
            ) => {
                "the role's credentials are not accepted here: see that the region is enabled in the account"
            }
            _ if cause.is_throttling() => "raise the service's quota, or start fewer pods at once",
            _ => return None,
        })
    }
}

const NO_ANSWER: &str = "see that the pod can reach the endpoint: network policies, NAT or VPC endpoint, proxy, and AWS_ENDPOINT_URL or its form for the service if it is set";
