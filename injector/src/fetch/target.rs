//! Where requests are sent, and until when.

use provider_class::Region;

use crate::aws::{Cause, Clients, Deadline, Failure};
use crate::service::Service;

/// The clients of one region, with a deadline.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) clients: &'a Clients,
    pub(super) region: &'a Region,
    pub(super) secrets_manager: &'a aws_sdk_secretsmanager::Client,
    pub(super) ssm: &'a aws_sdk_ssm::Client,
    pub(super) deadline: Deadline,
}

impl Target<'_> {
    /// A failure of a service of this region.
    pub(super) fn failure(&self, service: Service, cause: Cause) -> Failure {
        Failure {
            service,
            region: Some(self.region.clone()),
            cause,
        }
    }
}
