//! Where the services are, by the SDK's own rules.

use provider_class::Region;

use crate::aws::Service;
use crate::environment::Environment;

/// Asks the rules of one service; their types share no trait.
macro_rules! resolve {
    ($sdk:ident, $environment:expr, $region:expr) => {{
        use $sdk::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
        let params = Params::builder()
            .region($region.as_str())
            .use_fips($environment.use_fips)
            .use_dual_stack($environment.use_dual_stack)
            .build();
        match params {
            Ok(params) => {
                let endpoint = DefaultResolver::new().resolve_endpoint(&params).await;
                endpoint.ok().map(|endpoint| endpoint.url().to_owned())
            }
            Err(_) => None,
        }
    }};
}

/// The URL of a service of a region, as its client will use it.
pub(super) async fn url(
    environment: &Environment,
    service: Service,
    region: &Region,
) -> Option<String> {
    if let Some(url) = environment.endpoint(service) {
        return Some(url.to_owned());
    }
    match service {
        Service::SecretsManager => resolve!(aws_sdk_secretsmanager, environment, region),
        Service::Ssm => resolve!(aws_sdk_ssm, environment, region),
        Service::Sts | Service::PodIdentityAgent => None,
    }
}
