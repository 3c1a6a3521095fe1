//! The command line, a public contract.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use provider_class::printable::PrintableLines;
use provider_class::{OnRefresh, RefreshInterval, Region};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Writes secrets from AWS Secrets Manager and SSM Parameter Store to files.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    /// Log level on standard error: off, error, warn, info, debug or trace.
    #[arg(long, global = true, env = "LOG_LEVEL", default_value = "info")]
    log_level: OsString,

    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch every object of the classes once, and write all of the files or none.
    Fetch(FetchOnce),
    /// Keep the files of the classes up to date until SIGTERM. After a failure the current files stay, and the refresh is
    /// retried.
    Refresh(Refresh),
    /// Check classes offline. Prints the files that they would write and the IAM policy that they need, or every mistake
    /// with its line.
    Check(Check),
}

/// Options of `fetch`.
#[derive(Debug, clap::Args)]
pub struct FetchOnce {
    /// What is fetched, and where to.
    #[command(flatten)]
    pub fetch: Fetch,

    /// An existing file that gets the version of each object after a success. The webhook names the file from which the
    /// kubelet reads the container's termination message.
    #[arg(long, env = "TERMINATION_MESSAGE_PATH", value_name = "FILE")]
    pub termination_message: Option<PathBuf>,
}

/// What `fetch` and `refresh` have in common.
#[derive(Debug, clap::Args)]
pub struct Fetch {
    /// A YAML file with `SecretProviderClass` resources, as for kubectl; can be given several times. Without it, the
    /// classes come from the environment variable `SECRET_PROVIDER_CLASSES`, which the webhook sets.
    #[arg(long = "class-file", value_name = "FILE", requires = "mount_path")]
    pub class_files: Vec<PathBuf>,

    /// The directory for the files. It replaces the directories that `SECRET_PROVIDER_CLASSES` names.
    #[arg(long, value_name = "DIR")]
    pub mount_path: Option<PathBuf>,

    /// Timeout for fetching everything, including retries, e.g. 90s or 2m.
    #[arg(long, env = "FETCH_TIMEOUT", default_value = "2m", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// A directory for the ids of the fetched versions, so that a refresh does not fetch them again. Apps must not have
    /// access to it.
    #[arg(long, env = "STATE_DIR", value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl Fetch {
    /// Is this the webhook's container? It owns its directories, and no app runs before its init container has ended.
    pub(crate) fn is_injected(&self) -> bool {
        self.mount_path.is_none()
    }
}

/// Options of `refresh`.
#[derive(Debug, clap::Args)]
pub struct Refresh {
    /// As for `fetch`. The timeout applies to each refresh.
    #[command(flatten)]
    pub fetch: Fetch,

    /// Refresh interval from 1s to 24h, e.g. 5m. It varies by a tenth, so that pods do not refresh at the same time.
    #[arg(long, env = "REFRESH_INTERVAL")]
    pub interval: RefreshInterval,

    /// How to notify the app of changed files: signal:SIGHUP:CONTAINER (the pod needs shareProcessNamespace),
    /// http:POST:PORT/PATH on the pod's localhost, or restart: exit with status 85, by which the kubelet restarts all
    /// containers of the pod.
    #[arg(long, env = "ON_REFRESH", value_name = "SPEC")]
    pub on_refresh: Option<OnRefresh>,

    /// Serve Prometheus metrics on this address at /metrics, e.g. [::]:9090.
    #[arg(long, env = "METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
}

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// YAML files with `SecretProviderClass` resources, directories with such files, or - for standard input. Lists work,
    /// such as the output of `kubectl get secretproviderclass -A -o yaml`. Other kinds are skipped.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Region of classes that do not name one.
    #[arg(long, env = "AWS_REGION", value_parser = str::parse::<Region>)]
    pub region: Option<Region>,

    /// Print only an IAM policy, for `aws iam put-role-policy`: the policy of the pod's own role (pod), or of the role that
    /// reads the objects (reader), which is the role of assumeRoleArn.
    #[arg(long, value_name = "ROLE", num_args = 0..=1, require_equals = true, default_missing_value = "pod")]
    pub policy: Option<PolicyOf>,

    /// Print only the Role and the RoleBinding that a pod needs to apply the Kubernetes Secrets of its classes, for
    /// `kubectl apply -f -`.
    #[arg(long, requires = "service_account", conflicts_with_all = ["policy", "output"])]
    pub rbac: bool,

    /// With --rbac: the pod's ServiceAccount.
    #[arg(long, value_name = "NAME", requires = "rbac")]
    pub service_account: Option<String>,

    /// With --rbac: the namespace of the pods, `default` if not set. A class that names another one is an error.
    #[arg(long, value_name = "NAME", requires = "rbac")]
    pub namespace: Option<String>,

    /// Output format: text for people, or json for programs, with one object per class and line.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        conflicts_with = "policy"
    )]
    pub output: Output,
}

/// How `check` prints its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Whose policy `check --policy` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PolicyOf {
    /// The pod's own role.
    Pod,
    /// The role that reads the objects: the role of assumeRoleArn, or else the pod's own.
    Reader,
}

/// A log level that does not exist.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log-level (LOG_LEVEL): {0:?} is not a log level: use off, error, warn, info, debug or trace"
)]
pub struct InvalidLogLevel(OsString);

impl Args {
    /// Sends the log to standard error, because standard output is for results. It contains only this program's own lines:
    /// the SDK's contain parts of requests and responses.
    pub fn start_logging(&self) -> Result<(), InvalidLogLevel> {
        let level = self.log_level.to_str();
        let level: LevelFilter = level
            .and_then(|level| level.parse().ok())
            .ok_or_else(|| InvalidLogLevel(self.log_level.clone()))?;
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(|| PrintableLines::to(std::io::stderr()))
            .with_target(false)
            // The container runtime adds the time to every line.
            .without_time()
            .with_ansi(false);
        let own = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
        tracing_subscriber::registry()
            .with(lines.with_filter(own))
            .init();
        Ok(())
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
}
