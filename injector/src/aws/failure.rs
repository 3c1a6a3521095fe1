//! A failed call: where, why, and what to do.

use std::error::Error;
use std::fmt;

use provider_class::Region;

use crate::aws::cause::Cause;
use crate::aws::refusals::{self, Meaning};
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

const UNREACHABLE: &str = "check that the pod can reach the endpoint: network policies, NAT gateway or VPC endpoint, proxy, and AWS_ENDPOINT_URL or its service-specific form if it is set";
const AGENT_UNREACHABLE: &str = "check that the agent's add-on runs on the node (Fargate has none), and that no network policy blocks the pod's traffic to it";
const UNTRUSTED: &str = "check which server answers there; if a proxy intercepts TLS, set AWS_CA_BUNDLE to a file with its CA certificate";

impl Failure {
    /// A failure before the call was made.
    pub fn setup(service: Service, reason: impl Into<String>) -> Self {
        Self {
            service,
            region: None,
            cause: Cause::Setup(reason.into()),
        }
    }

    /// What the service's refusal means, if it is one.
    pub(crate) fn meaning(&self) -> Option<Meaning> {
        refusals::meaning(self.service, &self.cause)
    }

    /// Would the failover region fail alike? Then it is not tried.
    pub(crate) fn is_final(&self) -> bool {
        match self.cause {
            Cause::Setup(_) | Cause::NotSent => true,
            _ => self.meaning().is_some_and(Meaning::is_final),
        }
    }

    fn remedy(&self) -> Option<&'static str> {
        let cause = match &self.cause {
            Cause::Deadline {
                last: Some(last), ..
            } => last,
            cause => cause,
        };
        match cause {
            Cause::Refused { .. } => refusals::remedy(self.service, cause),
            Cause::NoResponse(_) | Cause::Deadline { .. } => Some(match self.service {
                Service::PodIdentityAgent => AGENT_UNREACHABLE,
                _ => UNREACHABLE,
            }),
            Cause::Untrusted(_) => Some(UNTRUSTED),
            Cause::Malformed(_) | Cause::NotSent | Cause::Setup(_) => None,
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
        match self.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_agent_may_not_run_on_the_node() {
        let failure = Failure {
            service: Service::PodIdentityAgent,
            region: None,
            cause: Cause::NoResponse(String::new()),
        };
        assert!(failure.to_string().contains("Fargate has none"));
    }
}
