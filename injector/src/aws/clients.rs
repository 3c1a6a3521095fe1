//! Clients of the services in any region. They share one HTTP client.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::{BehaviorVersion, StalledStreamProtectionConfig};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
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
        let config = self.config(Service::SecretsManager, region, Some(credentials));
        aws_sdk_secretsmanager::Client::new(&config.build())
    }

    /// Parameter Store of a region.
    pub fn ssm(&self, region: &Region, credentials: &Credentials) -> aws_sdk_ssm::Client {
        let config = self.config(Service::Ssm, region, Some(credentials));
        let http = self.http.clone().with_longest_response(LONGEST_PARAMETERS);
        aws_sdk_ssm::Client::new(&config.http_client(http).build())
    }

    /// STS of a region. Exchanging a web identity token needs no credentials.
    pub fn sts(&self, region: &Region, credentials: Option<&Credentials>) -> aws_sdk_sts::Client {
        let config = self.config(Service::Sts, region, credentials);
        aws_sdk_sts::Client::new(&config.build())
    }

    fn config(
        &self,
        service: Service,
        region: &Region,
        credentials: Option<&Credentials>,
    ) -> aws_types::sdk_config::Builder {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .region(aws_types::region::Region::new(region.as_str().to_owned()))
            .sleep_impl(TokioSleep::new())
            .use_fips(self.environment.use_fips)
            .use_dual_stack(self.environment.use_dual_stack)
            .timeout_config(timeouts.build())
            // It would end a request before this program's own limits, as if it could not be made.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // This program's own loop retries, and so sees every failure.
            .retry_config(RetryConfig::disabled());
        config.set_endpoint_url(self.environment.endpoint(service).map(str::to_owned));
        config.set_credentials_provider(credentials.cloned().map(SharedCredentialsProvider::new));
        config
    }
}
