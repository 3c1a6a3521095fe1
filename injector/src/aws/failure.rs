//! A failed call: where, why, and what to do.

use std::error::Error;
use std::fmt;

use provider_class::Region;

use crate::aws::{Cause, hint};
use crate::service::Service;

/// A call that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The service that was called.
    pub service: Service,
    /// The region, if the service has regions.
    pub region: Option<Region>,
    /// Why it failed.
    pub cause: Cause,
}

impl Failure {
    /// A failure before the call was made.
    pub fn setup(service: Service, reason: impl Into<String>) -> Self {
        Self {
            service,
            region: None,
            cause: Cause::Setup(reason.into()),
        }
    }

    /// Does the service say that the object, or that version or label of it, does not exist?
    pub fn is_not_found(&self) -> bool {
        let Cause::Refused { code, .. } = &self.cause else {
            return false;
        };
        matches!(
            (self.service, code.as_str()),
            (Service::SecretsManager, "ResourceNotFoundException")
                | (Service::Ssm, "InvalidParameters")
        )
    }

    /// Would the failover region fail alike? Then it is not tried.
    ///
    /// Source: the failover rules of AWS's provider for the Secrets Store CSI Driver: an error that names a mistake in
    /// the request is final; one that may be the region's own problem is not.
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
                ) | (
                    Service::Ssm,
                    "InvalidKeyId" | "InvalidParameters" | "TooManyParameters"
                ) | (
                    Service::Sts,
                    "InvalidIdentityToken" | "ExpiredTokenException" | "ExpiredToken"
                )
            ),
            Cause::Setup(_) | Cause::NotSent => true,
            Cause::NoResponse(_)
            | Cause::Untrusted(_)
            | Cause::Deadline { .. }
            | Cause::Malformed(_) => false,
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
        match hint::of(self.service, &self.cause) {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}
