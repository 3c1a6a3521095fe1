//! The services' endpoints, by the SDK's own rules.

use provider_class::Region;

use crate::environment::Environment;
use crate::service::Service;

/// Applies the rules of one service. Their types share no trait.
macro_rules! resolve {
    ($sdk:ident, $environment:expr, $service:expr, $region:expr) => {{
        use $sdk::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
        let params = Params::builder()
            .region($region.as_str())
            .use_fips($environment.use_fips)
            .use_dual_stack($environment.use_dual_stack)
            .set_endpoint($environment.endpoint($service).map(str::to_owned))
            .build();
        match params {
            Ok(params) => {
                let endpoint = DefaultResolver::new().resolve_endpoint(&params).await;
                match endpoint {
                    Ok(endpoint) => Ok(endpoint.url().to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
            Err(error) => Err(error.to_string()),
        }
    }};
}

/// The URL of a service in a region, as its client will use it, or the sentence with which the rules refuse the settings.
/// The rules see no request, so the sentence cannot contain one.
pub(super) async fn url(
    environment: &Environment,
    service: Service,
    region: &Region,
) -> Result<String, String> {
    match service {
        Service::SecretsManager => resolve!(aws_sdk_secretsmanager, environment, service, region),
        Service::Ssm => resolve!(aws_sdk_ssm, environment, service, region),
        Service::Sts => resolve!(aws_sdk_sts, environment, service, region),
        Service::PodIdentityAgent => Err(String::new()),
    }
}
