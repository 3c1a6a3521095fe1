//! The command line. Every option can be set by an environment variable.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use certs::{Configuration, Lifetimes, SecretSource, Source};
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, Parser, ValueEnum};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use provider_class::{Namespace, ObjectName, Region, network};
use tracing_subscriber::EnvFilter;

use crate::admission::defaults::Defaults;
use crate::admission::rules::{Identity, Rules};
use crate::ca_bundle::CaBundle;
use crate::logging;
use crate::panics;
use crate::pod::annotations::Resources;
use crate::pod::csi::CsiVolumes;
use crate::pod::injection::{ApiServer, InjectorSettings, OF_EACH_POD};
use crate::pod::quantity::quantity;

/// The injector's variable with CA certificates.
const CA_BUNDLE: &str = "CA_BUNDLE";

/// Mutating admission webhook that gives annotated pods their AWS secrets as files.
#[derive(Clone, Debug, Parser)]
#[command(version, max_term_width = 100)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Args {
    /// Log level, e.g. debug, or warn,aws_secrets_webhook=debug. The Kubernetes client's own log is off by default because it
    /// repeats this program's.
    #[arg(long, env = "LOG_LEVEL", default_value = "info,kube_client=off", value_parser = log_filter)]
    log_level: String,
    /// Log format.
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// Address for AdmissionReviews, over TLS.
    #[arg(long, env = "LISTEN", default_value = "[::]:8443")]
    pub listen: SocketAddr,
    /// Address for /healthz, /readyz and /metrics, over plain HTTP.
    #[arg(long, env = "HEALTH_LISTEN", default_value = "[::]:8080")]
    pub health_listen: SocketAddr,
    /// Time for open requests after SIGTERM. New requests are accepted during the first third, until the cluster has noticed.
    #[arg(long, env = "DRAIN", default_value = "15s", value_parser = humantime::parse_duration)]
    pub drain: Duration,

    /// The namespace that the webhook runs in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "aws-secrets-injector")]
    pub namespace: Namespace,
    /// The Service through which the API server calls the webhook.
    #[arg(long, env = "SERVICE_NAME", default_value = "aws-secrets-injector")]
    pub service: ObjectName,
    /// The Secret with its CAs.
    #[arg(
        long,
        env = "AUTHORITIES_SECRET",
        default_value = "aws-secrets-injector-authorities"
    )]
    pub authorities_secret: ObjectName,
    /// A directory with tls.crt and tls.key from cert-manager, used instead of that Secret. cert-manager then writes the
    /// caBundle.
    #[arg(long, env = "CERTIFICATE_DIRECTORY")]
    pub certificate_directory: Option<PathBuf>,
    /// The MutatingWebhookConfiguration that gets the caBundle.
    #[arg(
        long,
        env = "MUTATING_WEBHOOK_CONFIGURATION",
        default_value = "aws-secrets-injector"
    )]
    pub mutating_webhook_configuration: ObjectName,
    /// The ValidatingWebhookConfiguration that gets the caBundle.
    #[arg(
        long,
        env = "VALIDATING_WEBHOOK_CONFIGURATION",
        default_value = "aws-secrets-injector"
    )]
    pub validating_webhook_configuration: ObjectName,
    /// Validity period of the CA certificate, e.g. 3650d.
    #[arg(long, env = "AUTHORITY_LIFETIME", default_value = "3650d", value_parser = lifetime)]
    authority_lifetime: Duration,
    /// Validity period of the serving certificate.
    #[arg(long, env = "CERTIFICATE_LIFETIME", default_value = "90d", value_parser = lifetime)]
    certificate_lifetime: Duration,

    /// Image of the injector.
    #[arg(long, env = "INJECTOR_IMAGE")]
    injector_image: String,
    /// When the kubelet pulls the image: Always, IfNotPresent or Never. Depends on the tag if not set.
    #[arg(long, env = "INJECTOR_IMAGE_PULL_POLICY")]
    injector_image_pull_policy: Option<PullPolicy>,
    /// Environment variable for every injector, NAME=VALUE. Can be repeated; INJECTOR_ENV has one per line.
    #[arg(long = "injector-env", env = "INJECTOR_ENV", value_name = "NAME=VALUE", value_delimiter = '\n', value_parser = VARIABLE_PARSER)]
    injector_environment: Vec<(String, String)>,
    /// CA certificates, as PEM, that the injected containers trust besides those of their image.
    #[arg(long = "ca-bundle", env = "INJECTOR_CA_BUNDLE", value_name = "PEM", hide_env_values = true, value_parser = CA_BUNDLE_PARSER)]
    ca_bundle: Option<CaBundle>,
    /// requests.cpu of injected containers.
    #[arg(long, env = "INJECTOR_CPU_REQUEST", default_value = "10m", value_parser = quantity)]
    injector_cpu_request: Quantity,
    /// limits.cpu of injected containers. No limit if not set.
    #[arg(long, env = "INJECTOR_CPU_LIMIT", value_parser = quantity)]
    injector_cpu_limit: Option<Quantity>,
    /// requests.memory of injected containers.
    #[arg(long, env = "INJECTOR_MEMORY_REQUEST", default_value = "32Mi", value_parser = quantity)]
    injector_memory_request: Quantity,
    /// limits.memory of injected containers. It includes the secrets, which are in memory.
    #[arg(long, env = "INJECTOR_MEMORY_LIMIT", default_value = "64Mi", value_parser = quantity)]
    injector_memory_limit: Quantity,
    /// Size limit for all secrets of one directory.
    #[arg(long, env = "SECRETS_SIZE_LIMIT", default_value = "16Mi", value_parser = quantity)]
    secrets_size_limit: Quantity,

    /// How classes get credentials that do not set usePodIdentity: irsa, podIdentity, or auto, which uses IRSA if the ServiceAccount
    /// has the annotation eks.amazonaws.com/role-arn, else Pod Identity.
    #[arg(long, env = "IDENTITY", default_value = "irsa")]
    identity: Identity,
    /// Namespaces whose classes pods of all namespaces may name, comma-separated.
    #[arg(
        long,
        env = "SHARED_CLASS_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACES"
    )]
    shared_class_namespaces: Vec<Namespace>,
    /// Allow pods to describe secrets in their annotations (objects and parameters). With false, only classes count.
    #[arg(long, env = "ALLOW_OBJECTS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    allow_objects: bool,
    /// Annotations, without their prefix, for pods that request secrets and do not set them: a YAML map, e.g. refresh-interval: 1h.
    #[arg(long, env = "DEFAULTS", value_name = "YAML", value_parser = str::parse::<Defaults>)]
    defaults: Option<Defaults>,
    /// Let annotations of Namespaces go before these defaults. The webhook then watches Namespaces.
    #[arg(long, env = "NAMESPACE_DEFAULTS")]
    pub namespace_defaults: bool,
    /// Volumes of the Secrets Store CSI Driver, in pods that do not say it: ignore leaves them to the driver, replace lets the
    /// injector write their files.
    #[arg(long, env = "CSI_VOLUMES", default_value = "ignore", value_parser = str::parse::<CsiVolumes>)]
    csi_volumes: CsiVolumes,
    /// Leave the user of injected containers to OpenShift where the pod names none.
    #[arg(long, env = "OPENSHIFT")]
    openshift: bool,
    /// Allow pods to apply the Kubernetes Secrets of their classes (secret-objects: sync). The webhook then asks for each of these
    /// pods what its ServiceAccount may do.
    #[arg(long, env = "ALLOW_SECRET_SYNC")]
    pub allow_secret_sync: bool,
    /// Address of the API server for these pods. Kubernetes sets the variable.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", requires = "api_server_port")]
    api_server_host: Option<String>,
    /// Its port.
    #[arg(long, env = "KUBERNETES_SERVICE_PORT", requires = "api_server_host")]
    api_server_port: Option<u16>,

    /// Default region for classes without one. Taken from the nodes' labels if not set.
    #[arg(long, env = "AWS_REGION", value_parser = str::parse::<Region>)]
    pub region: Option<Region>,
}

/// Log format.
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

/// Reads a value that must not be in an error: clap's own would quote all of it, and a proxy's URL may contain a password.
#[derive(Clone, Debug)]
struct Unquoted<T>(fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Unquoted<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let Self(parse) = self;
        parse(&value.to_string_lossy())
            .map_err(|message| command.clone().error(ErrorKind::ValueValidation, message))
    }
}

const VARIABLE_PARSER: Unquoted<(String, String)> = Unquoted(|text| {
    variable(text).map_err(|reason| format!("--injector-env (INJECTOR_ENV): {reason}"))
});
const CA_BUNDLE_PARSER: Unquoted<CaBundle> = Unquoted(|text| {
    let parsed = text.parse::<CaBundle>();
    parsed.map_err(|reason| format!("--ca-bundle (INJECTOR_CA_BUNDLE): {reason}"))
});

fn variable(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("an entry is not NAME=VALUE".into());
    };
    if name == "AWS_REGION" {
        return Err("AWS_REGION: set the default region with --region instead".into());
    }
    if name == CA_BUNDLE {
        return Err(format!(
            "{CA_BUNDLE}: set the certificates with --ca-bundle instead"
        ));
    }
    if OF_EACH_POD.contains(&name) {
        return Err(format!("{name} is set per pod and cannot be set globally"));
    }
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || ":@/".contains(c)) {
        return Err("an entry's name is not the name of an environment variable".into());
    }
    network::check(name, &as_the_kubelet(value)).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The value as a container gets it: `$$` is `$`, and `$(NAME)` another variable's value, which is not known here.
fn as_the_kubelet(value: &str) -> String {
    let mut whole = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        whole += before;
        rest = after;
        if let Some(after) = after.strip_prefix('$') {
            whole.push('$');
            rest = after;
        } else if let Some((_, after)) = after.strip_prefix('(').and_then(|a| a.split_once(')')) {
            whole.push('x');
            rest = after;
        } else {
            whole.push('$');
        }
    }
    whole + rest
}

/// Long enough to be renewed in time, and short enough for X.509, which has no dates beyond the year 9999.
fn lifetime(text: &str) -> Result<Duration, String> {
    let bounds = Lifetimes::SHORTEST..=Duration::from_hours(24 * 36500);
    let lifetime = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if bounds.contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err("must be from 20s to 36500d".to_owned())
    }
}

impl Args {
    /// Sends the log to standard error.
    pub fn start_logging(&self) {
        let filter = EnvFilter::new(&self.log_level);
        match self.log_format {
            LogFormat::Text => logging::start_text(filter),
            LogFormat::Json => logging::start_json(filter),
        }
        panics::log();
    }

    /// What is injected.
    pub fn settings(&self) -> InjectorSettings {
        let mut environment = self.injector_environment.clone();
        if let Some(bundle) = &self.ca_bundle {
            for warning in bundle.warnings(SystemTime::now()) {
                tracing::warn!("{warning}");
            }
            environment.push((CA_BUNDLE.to_owned(), bundle.to_pem()));
        }
        InjectorSettings {
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
            environment,
            user_is_assigned: self.openshift,
            api_server: self
                .api_server_host
                .clone()
                .zip(self.api_server_port)
                .map(|(host, port)| ApiServer { host, port }),
        }
    }

    /// What is decided about all pods.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            csi_volumes: self.csi_volumes,
            identity: self.identity,
            shared: self.shared_class_namespaces.iter().cloned().collect(),
            defaults: self.defaults.clone().unwrap_or_default(),
            only_classes: !self.allow_objects,
        }
    }

    /// The DNS names by which the API server calls the webhook.
    pub fn server_names(&self) -> Vec<String> {
        let short = format!("{}.{}.svc", self.service, self.namespace);
        vec![short.clone(), format!("{short}.cluster.local")]
    }

    /// The webhook configurations that get the caBundle.
    pub fn configurations(&self) -> Vec<Configuration> {
        vec![
            Configuration::Mutating(self.mutating_webhook_configuration.to_string()),
            Configuration::Validating(self.validating_webhook_configuration.to_string()),
        ]
    }

    /// Where the certificates come from.
    pub fn certificates(&self, client: &Client) -> Source {
        if let Some(directory) = &self.certificate_directory {
            return Source::Directory(directory.clone());
        }
        Source::Secret(Box::new(SecretSource {
            client: client.clone(),
            namespace: self.namespace.to_string(),
            name: self.authorities_secret.to_string(),
            configurations: self.configurations(),
            settings: certs::Settings {
                names: self.server_names(),
                lifetimes: self.lifetimes(),
            },
        }))
    }

    /// Validity periods of certificates.
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
    fn a_variable_that_is_set_per_pod_cannot_be_set_globally() {
        for (text, words) in [
            ("AWS_ROLE_ARN=arn:aws:iam::111122223333:role/all", "per pod"),
            ("SECRET_PROVIDER_CLASSES={}", "per pod"),
            ("AWS_REGION=eu-central-1", "--region"),
        ] {
            let error = variable(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_variable_that_every_injector_would_refuse_is_refused_without_its_password() {
        for (variables, words) in [
            (
                "AWS_ENDPOINT_URL_STS=vpce-0abc.sts.us-east-2.vpce.amazonaws.com",
                "AWS_ENDPOINT_URL_STS: \"vpce-0abc.sts.us-east-2.vpce.amazonaws.com\" has no scheme; write https://",
            ),
            ("HTTPS_PROXY=http:user:hunter2@proxy", "HTTPS_PROXY: "),
            ("A=b\nhttp_proxy=ftp://user:hunter2@proxy", "http_proxy: "),
            ("no_proxy=a b", "no_proxy: "),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://10.0.0.1/",
                "token",
            ),
            (
                "AWS_USE_FIPS_ENDPOINT=maybe",
                "neither \"true\" nor \"false\"",
            ),
            ("http://user:hunter2@proxy", "is not NAME=VALUE"),
            (
                "http://user:hunter2@proxy/?a=b",
                "not the name of an environment variable",
            ),
        ] {
            let args = [
                "webhook",
                "--injector-image",
                "i",
                "--injector-env",
                variables,
            ];
            let error = Args::try_parse_from(args).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let good = "HTTPS_PROXY=http://user:hunter2@proxy:3128\nAWS_ENDPOINT_URL=";
        let args = ["webhook", "--injector-image", "i", "--injector-env", good];
        assert_eq!(Args::parse_from(args).settings().environment.len(), 2);
        // The kubelet replaces these.
        let proxy = "HTTP_PROXY=http://u:pa$$w@proxy.$(POD_NAMESPACE):3128";
        assert_eq!(
            variable(proxy).map(|(_, value)| value),
            Ok(proxy[11..].to_owned())
        );
        assert_eq!(as_the_kubelet("$$(A)$(B)c$"), "$(A)xc$");
    }

    #[test]
    fn a_lifetime_that_cannot_be_kept_is_refused() {
        for bad in ["0s", "19s", "36501d", "soon"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
        assert_eq!(lifetime("90d"), Ok(Duration::from_hours(24 * 90)));
    }
}
