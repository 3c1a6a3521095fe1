//! Clients of the services in any region, all on one HTTP client.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use provider_class::Region;

use crate::aws::{HttpClient, Service, endpoint};
use crate::environment::Environment;

/// Makes clients.
#[derive(Clone, Debug)]
pub struct Clients {
    http: HttpClient,
    environment: Environment,
}

/// A lost packet must not cost all of the time there is.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Attempts for what a retry may mend: a dropped connection, an answer of 5xx.
const ATTEMPTS: u32 = 4;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Sets what is the same for the three services; their builders share no trait.
macro_rules! configure {
    ($builder:expr, $clients:expr, $region:expr, $service:expr) => {{
        let mut builder = $builder
            .behavior_version_latest()
            .http_client($clients.http.clone())
            .region(aws_types::region::Region::new($region.as_str().to_owned()))
            .sleep_impl(TokioSleep::new())
            .use_fips($clients.environment.use_fips)
            .use_dual_stack($clients.environment.use_dual_stack)
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(FIRST_BACKOFF)
                    .with_max_backoff(LONGEST_BACKOFF),
            )
            // The SDK stops retrying when many calls of one process fail together; here the deadline does.
            .retry_partition(
                RetryPartition::custom("aws-secrets-injector").token_bucket(TokenBucket::unlimited()).build(),
            );
        builder.set_endpoint_url($clients.environment.endpoint($service).map(str::to_owned));
        builder
    }};
}

impl Clients {
    /// Clients for an environment.
    pub fn new(http: HttpClient, environment: Environment) -> Self {
        Self { http, environment }
    }

    /// The environment they are made for.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Opens connections to Secrets Manager and Parameter Store of a region, for the requests to come: meanwhile STS answers.
    pub async fn connect_ahead(&self, region: &Region, secrets: usize, parameters: usize) {
        for (service, count) in [
            (Service::SecretsManager, secrets),
            (Service::Ssm, parameters),
        ] {
            // Where the SDK has no endpoint its requests say so.
            if count > 0
                && let Some(url) = endpoint::url(&self.environment, service, region).await
                && let Ok(server) = url.parse()
            {
                self.http.connect_ahead(&server, count);
            }
        }
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
            region,
            Service::SecretsManager
        );
        aws_sdk_secretsmanager::Client::from_conf(
            config.credentials_provider(credentials.clone()).build(),
        )
    }

    /// Parameter Store of a region.
    pub fn ssm(&self, region: &Region, credentials: &Credentials) -> aws_sdk_ssm::Client {
        let config = configure!(aws_sdk_ssm::Config::builder(), self, region, Service::Ssm);
        aws_sdk_ssm::Client::from_conf(config.credentials_provider(credentials.clone()).build())
    }

    /// STS of a region; exchanging a web identity token takes no credentials.
    pub fn sts(&self, region: &Region, credentials: Option<&Credentials>) -> aws_sdk_sts::Client {
        let mut config = configure!(aws_sdk_sts::Config::builder(), self, region, Service::Sts);
        config.set_credentials_provider(credentials.map(|credentials| {
            aws_credential_types::provider::SharedCredentialsProvider::new(credentials.clone())
        }));
        aws_sdk_sts::Client::from_conf(config.build())
    }
}
