//! The services that the injector calls.

use std::fmt;

/// A service that the injector calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// AWS Secrets Manager.
    SecretsManager,
    /// The Parameter Store of AWS Systems Manager.
    Ssm,
    /// AWS Security Token Service.
    Sts,
    /// The EKS Pod Identity agent on the pod's node.
    PodIdentityAgent,
}

impl Service {
    /// Those whose endpoint can be set.
    pub const ALL: [Self; 3] = [Self::SecretsManager, Self::Ssm, Self::Sts];

    /// The environment variable that sets its endpoint.
    ///
    /// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html>.
    pub fn endpoint_variable(self) -> &'static str {
        match self {
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Self::Ssm => "AWS_ENDPOINT_URL_SSM",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
            Self::PodIdentityAgent => "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretsManager => "Secrets Manager",
            Self::Ssm => "Parameter Store",
            Self::Sts => "STS",
            Self::PodIdentityAgent => "the EKS Pod Identity agent",
        })
    }
}
