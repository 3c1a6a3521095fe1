//! A second role, assumed with the pod's own credentials: for secrets of another account.

use aws_credential_types::Credentials;
use provider_class::{AssumeRole, Region};

use super::web_identity::from_sts;
use crate::aws::{Clients, Deadline, Failure, Service, send};

/// Assumes the role of `assumeRoleArn`.
pub(super) async fn assume(
    clients: &Clients,
    region: &Region,
    own: &Credentials,
    role: &AssumeRole,
    deadline: Deadline,
) -> Result<Credentials, Failure> {
    let client = clients.sts(region, Some(own));
    let answer = send(Service::Sts, region, deadline, |last| {
        let call = client.assume_role().role_arn(role.arn.as_str());
        let call = call.role_session_name(clients.environment().session_name.as_str());
        let call = call
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.duration_seconds);
        call.customize().interceptor(last).send()
    });
    let answer = answer.await?;
    from_sts(region, answer.credentials)
}
