//! Clients of the services in any region. They share one HTTP client.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sts::config::StalledStreamProtectionConfig;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use provider_class::Region;

use crate::aws::{HttpClient, endpoint};
use crate::environment::Environment;
use crate::service::Service;

/// Makes clients.
#[derive(Clone, Debug)]
pub struct Clients {
    http: HttpClient,
    environment: Environment,
}

/// A lost packet must not use up the whole timeout.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that are read of a response with parameters: ten of at most 8 KiB, or references to secrets, which it contains twice.
const LONGEST_PARAMETERS: usize = 2 * 1024 * 1024;

/// Sets what the three services have in common. Their builders share no trait.
macro_rules! configure {
    ($builder:expr, $clients:expr, $http:expr, $region:expr, $service:expr) => {{
        let mut builder = $builder
            .behavior_version_latest()
            .http_client($http)
            .region(aws_types::region::Region::new($region.as_str().to_owned()))
            .sleep_impl(TokioSleep::new())
            .use_fips($clients.environment.use_fips)
            .use_dual_stack($clients.environment.use_dual_stack)
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            // It would end a request before this program's own limits, as if it could not be made.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // This program's own loop retries, and so sees every failure.
            .retry_config(RetryConfig::disabled());
        builder.set_endpoint_url($clients.environment.endpoint($service).map(str::to_owned));
        builder
    }};
}

impl Clients {
    /// Clients for an environment.
    pub fn new(http: HttpClient, environment: Environment) -> Self {
        Self { http, environment }
    }

    /// Their environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Opens connections to Secrets Manager and Parameter Store of a region, for the requests that follow once STS has responded.
    pub async fn connect_ahead(&self, region: &Region, secrets: usize, parameters: usize) {
        for (service, count) in [
            (Service::SecretsManager, secrets),
            (Service::Ssm, parameters),
        ] {
            // If there is no endpoint, the requests will fail and say so.
            if count > 0
                && let Ok(url) = endpoint::url(&self.environment, service, region).await
                && let Ok(server) = url.parse()
            {
                self.http.connect_ahead(&server, count);
            }
        }
    }

    /// The sentence with which the SDK's rules refuse the settings for a service of a region, if they do.
    pub(super) async fn contradiction(&self, service: Service, region: &Region) -> Option<String> {
        endpoint::url(&self.environment, service, region)
            .await
            .err()
    }

    /// Secrets Manager of a region.
    pub fn secrets_manager(
        &self,
        region: &Region,
        credentials: &Credentials,
    ) -> aws_sdk_secretsmanager::Client {
        let config = configure!(
            aws_sdk_secretsmanager::Config::builder(),
            self,
            self.http.clone(),
            region,
            Service::SecretsManager
        );
        aws_sdk_secretsmanager::Client::from_conf(
            config.credentials_provider(credentials.clone()).build(),
        )
    }

    /// Parameter Store of a region.
    pub fn ssm(&self, region: &Region, credentials: &Credentials) -> aws_sdk_ssm::Client {
        let config = configure!(
            aws_sdk_ssm::Config::builder(),
            self,
            self.http.clone().with_longest_response(LONGEST_PARAMETERS),
            region,
            Service::Ssm
        );
        aws_sdk_ssm::Client::from_conf(config.credentials_provider(credentials.clone()).build())
    }

    /// STS of a region. Exchanging a web identity token needs no credentials.
    pub fn sts(&self, region: &Region, credentials: Option<&Credentials>) -> aws_sdk_sts::Client {
        let mut config = configure!(
            aws_sdk_sts::Config::builder(),
            self,
            self.http.clone(),
            region,
            Service::Sts
        );
        config.set_credentials_provider(credentials.map(|credentials| {
            aws_credential_types::provider::SharedCredentialsProvider::new(credentials.clone())
        }));
        aws_sdk_sts::Client::from_conf(config.build())
    }
}
