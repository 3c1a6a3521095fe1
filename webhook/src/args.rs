//! The command line; every option can be an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use certs::{Configuration, Lifetimes, SecretSource, Source};
use clap::{Parser, ValueEnum};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use provider_class::Region;
use tracing_subscriber::EnvFilter;

use crate::annotations::{self, Resources};
use crate::injection::{OF_EACH_POD, Settings};

/// Mutating admission webhook that gives annotated pods their AWS secrets as files.
#[derive(Clone, Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    /// What is logged, such as debug, or warn,aws_secrets_webhook=debug. The Kubernetes client's own lines repeat what this
    /// program says.
    #[arg(long, env = "LOG_LEVEL", default_value = "info,kube_client=off", value_parser = log_filter)]
    log_level: String,
    /// How it is logged.
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// Where AdmissionReviews are served, over TLS.
    #[arg(long, env = "LISTEN", default_value = "[::]:8443")]
    pub listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served, in plain text.
    #[arg(long, env = "HEALTH_LISTEN", default_value = "[::]:8080")]
    pub health_listen: SocketAddr,
    /// How long requests may go on after SIGTERM. New ones come until the cluster has noticed, for the first third of it.
    #[arg(long, env = "DRAIN", default_value = "15s", value_parser = humantime::parse_duration)]
    pub drain: Duration,

    /// The namespace that the webhook runs in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "aws-secrets-injector")]
    pub namespace: String,
    /// The Service by which the API server calls it.
    #[arg(long, env = "SERVICE_NAME", default_value = "aws-secrets-injector")]
    pub service: String,
    /// The Secret with its certificates.
    #[arg(
        long,
        env = "CERTIFICATE_SECRET",
        default_value = "aws-secrets-injector-certificates"
    )]
    pub certificate_secret: String,
    /// A directory with tls.crt and tls.key, as cert-manager makes them, in place of that Secret. Then the caBundle is
    /// cert-manager's to write.
    #[arg(long, env = "CERTIFICATE_DIRECTORY")]
    pub certificate_directory: Option<PathBuf>,
    /// The MutatingWebhookConfiguration that gets the caBundle.
    #[arg(
        long,
        env = "MUTATING_WEBHOOK_CONFIGURATION",
        default_value = "aws-secrets-injector"
    )]
    pub mutating_webhook_configuration: String,
    /// The ValidatingWebhookConfiguration that gets the caBundle.
    #[arg(
        long,
        env = "VALIDATING_WEBHOOK_CONFIGURATION",
        default_value = "aws-secrets-injector"
    )]
    pub validating_webhook_configuration: String,
    /// How long the certificate authority holds, such as 3650d.
    #[arg(long, env = "AUTHORITY_LIFETIME", default_value = "3650d", value_parser = lifetime)]
    authority_lifetime: Duration,
    /// How long the serving certificate holds.
    #[arg(long, env = "CERTIFICATE_LIFETIME", default_value = "90d", value_parser = lifetime)]
    certificate_lifetime: Duration,

    /// Image of the injector.
    #[arg(long, env = "INJECTOR_IMAGE")]
    injector_image: String,
    /// When the kubelet pulls it: Always, IfNotPresent or Never; by its tag, if not set.
    #[arg(long, env = "INJECTOR_IMAGE_PULL_POLICY")]
    injector_image_pull_policy: Option<PullPolicy>,
    /// An environment variable that every injector gets, NAME=VALUE; may be given several times. In INJECTOR_ENV one a
    /// line.
    #[arg(long = "injector-env", env = "INJECTOR_ENV", value_name = "NAME=VALUE", value_delimiter = '\n', value_parser = variable)]
    injector_environment: Vec<(String, String)>,
    /// requests.cpu of injected containers.
    #[arg(long, env = "INJECTOR_CPU_REQUEST", default_value = "10m", value_parser = quantity)]
    injector_cpu_request: Quantity,
    /// limits.cpu of injected containers; none, if not set.
    #[arg(long, env = "INJECTOR_CPU_LIMIT", value_parser = quantity)]
    injector_cpu_limit: Option<Quantity>,
    /// requests.memory of injected containers.
    #[arg(long, env = "INJECTOR_MEMORY_REQUEST", default_value = "32Mi", value_parser = quantity)]
    injector_memory_request: Quantity,
    /// limits.memory of injected containers; the secrets count, they are in memory.
    #[arg(long, env = "INJECTOR_MEMORY_LIMIT", default_value = "64Mi", value_parser = quantity)]
    injector_memory_limit: Quantity,
    /// How large the secrets of one directory may be together.
    #[arg(long, env = "SECRETS_SIZE_LIMIT", default_value = "16Mi", value_parser = quantity)]
    secrets_size_limit: Quantity,

    /// The region of classes that name none; if not set, the one that the nodes' labels say.
    #[arg(long, env = "AWS_REGION", value_parser = str::parse::<Region>)]
    pub region: Option<Region>,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// `imagePullPolicy`.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

fn log_filter(text: &str) -> Result<String, String> {
    let parsed = EnvFilter::try_new(text).map_err(|error| error.to_string());
    parsed.map(|_| text.to_owned())
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    if name == "AWS_REGION" {
        return Err(
            "AWS_REGION: the region of classes that name none is the setting --region".into(),
        );
    }
    if OF_EACH_POD.contains(&name) {
        return Err(format!(
            "{name} is set for each pod, and cannot be one for all"
        ));
    }
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(format!(
            "{name:?} is not the name of an environment variable"
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Not shorter than what can be renewed in time, and X.509 has no dates beyond the year 9999.
fn lifetime(text: &str) -> Result<Duration, String> {
    let bounds = Lifetimes::SHORTEST..=Duration::from_hours(24 * 36500);
    let lifetime = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if bounds.contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err("is not from 20s to 36500d".to_owned())
    }
}

fn quantity(text: &str) -> Result<Quantity, String> {
    annotations::quantity("", text)
        .map_err(|_| format!("{text:?} is not a quantity, such as 100m or 64Mi"))
}

impl Args {
    /// Sends the log to standard error.
    pub fn start_logging(&self) {
        let filter = EnvFilter::new(&self.log_level);
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_target(false);
        match self.log_format {
            LogFormat::Text => builder.with_ansi(false).init(),
            LogFormat::Json => builder.json().flatten_event(true).init(),
        }
    }

    /// What is injected.
    pub fn settings(&self) -> Settings {
        Settings {
            image: self.injector_image.clone(),
            image_pull_policy: self
                .injector_image_pull_policy
                .map(|policy| format!("{policy:?}")),
            resources: Resources {
                cpu_request: Some(self.injector_cpu_request.clone()),
                cpu_limit: self.injector_cpu_limit.clone(),
                memory_request: Some(self.injector_memory_request.clone()),
                memory_limit: Some(self.injector_memory_limit.clone()),
            },
            size_limit: self.secrets_size_limit.clone(),
            environment: self.injector_environment.clone(),
        }
    }

    /// The names by which the API server calls the webhook.
    pub fn server_names(&self) -> Vec<String> {
        let short = format!("{}.{}.svc", self.service, self.namespace);
        vec![short.clone(), format!("{short}.cluster.local")]
    }

    /// What gets the caBundle.
    pub fn configurations(&self) -> Vec<Configuration> {
        vec![
            Configuration::Mutating(self.mutating_webhook_configuration.clone()),
            Configuration::Validating(self.validating_webhook_configuration.clone()),
        ]
    }

    /// Where the certificates come from.
    pub fn certificates(&self, client: &Client) -> Source {
        if let Some(directory) = &self.certificate_directory {
            return Source::Directory(directory.clone());
        }
        Source::Secret(Box::new(SecretSource {
            client: client.clone(),
            namespace: self.namespace.clone(),
            name: self.certificate_secret.clone(),
            configurations: self.configurations(),
            settings: certs::Settings {
                names: self.server_names(),
                lifetimes: self.lifetimes(),
            },
        }))
    }

    /// How long certificates hold.
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            authority: self.authority_lifetime,
            serving: self.certificate_lifetime,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn values_reach_the_settings() {
        let args = [
            "webhook",
            "--injector-image",
            "i",
            "--injector-image-pull-policy",
            "IfNotPresent",
            "--injector-env",
            "A=b=c\nD=",
            "--secrets-size-limit",
            "1Mi",
        ];
        let settings = Args::parse_from(args).settings();
        assert_eq!(settings.image_pull_policy.as_deref(), Some("IfNotPresent"));
        assert_eq!(
            settings.environment,
            [
                ("A".to_owned(), "b=c".to_owned()),
                ("D".to_owned(), String::new())
            ]
        );
        assert_eq!(settings.size_limit.0, "1Mi");
    }

    #[test]
    fn a_variable_that_is_set_for_each_pod_cannot_be_one_for_all() {
        for (text, words) in [
            (
                "AWS_ROLE_ARN=arn:aws:iam::111122223333:role/all",
                "for each pod",
            ),
            ("SECRET_PROVIDER_CLASSES={}", "for each pod"),
            ("AWS_REGION=eu-central-1", "--region"),
        ] {
            let error = variable(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_lifetime_that_cannot_be_kept_is_refused() {
        for bad in ["0s", "19s", "36501d", "soon"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
        assert_eq!(lifetime("90d"), Ok(Duration::from_hours(24 * 90)));
    }
}
