//! Assumes a second role with the pod's own credentials, for secrets of another account.

use aws_credential_types::Credentials;
use provider_class::{AssumeRole, Region};

use super::web_identity::from_sts;
use crate::aws::{Clients, Deadline, Failure, send};
use crate::service::Service;

/// Assumes the role of `assumeRoleArn`.
pub(super) async fn assume(
    clients: &Clients,
    region: &Region,
    own: &Credentials,
    role: &AssumeRole,
    deadline: Deadline,
) -> Result<Credentials, Failure> {
    let client = clients.sts(region, Some(own));
    let answer = send(clients, Service::Sts, region, deadline, async || {
        let call = client.assume_role();
        call.role_arn(role.arn.as_str())
            .role_session_name(clients.environment().session_name.as_str())
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.duration_seconds)
            .send()
            .await
    });
    let answer = answer.await?;
    from_sts(region, answer.credentials)
}
