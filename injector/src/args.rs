//! The command line, a public contract.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use provider_class::{OnRefresh, RefreshInterval, Region};
use tracing_subscriber::filter::LevelFilter;

/// Puts secrets of AWS Secrets Manager and SSM Parameter Store into files.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    /// How much is logged, on standard error: off, error, warn, info, debug or trace.
    #[arg(long, global = true, env = "LOG_LEVEL", default_value = "info")]
    log_level: LevelFilter,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetches every object of the classes once and writes the files: all of them, or none.
    Fetch(Fetch),
    /// Keeps the files of the classes as AWS has them, until it is told to end (SIGTERM). A failure leaves the files as
    /// they are and is tried again.
    Refresh(Refresh),
    /// Says, offline, whether the classes of a file are valid, which files they would make, and which IAM policy they
    /// need; or every mistake with its line.
    Check(Check),
}

/// Options of `fetch`.
#[derive(Debug, clap::Args)]
pub struct Fetch {
    /// A YAML file with `SecretProviderClass` resources, as kubectl applies it; may be given several times. Without it
    /// the classes come from the environment variable `SECRET_PROVIDER_CLASSES`, which the webhook sets.
    #[arg(long = "class-file", value_name = "FILE", requires = "mount_path")]
    pub class_files: Vec<PathBuf>,

    /// The directory for the files. With `SECRET_PROVIDER_CLASSES` each class names its own, and this replaces it.
    #[arg(long, value_name = "DIR")]
    pub mount_path: Option<PathBuf>,

    /// How long all of the fetching may take, retries included, such as 90s or 2m.
    #[arg(long, env = "FETCH_TIMEOUT", default_value = "2m", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// A directory of our own for the ids of the fetched versions, so that a refresh does not fetch them again. It must
    /// not be one that apps read.
    #[arg(long, env = "STATE_DIR", value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// Options of `refresh`.
#[derive(Debug, clap::Args)]
pub struct Refresh {
    /// What is fetched, and to where: as for `fetch`. The timeout is for each refresh.
    #[command(flatten)]
    pub fetch: Fetch,

    /// How often AWS is asked, from 1s to 24h, such as 5m; a tenth more or less, so that pods do not ask together.
    #[arg(long, env = "REFRESH_INTERVAL")]
    pub interval: RefreshInterval,

    /// How the app is told that files changed: signal:SIGHUP:CONTAINER (the pod needs shareProcessNamespace), or
    /// http:POST:PORT/PATH on the pod's localhost.
    #[arg(long, env = "ON_REFRESH", value_name = "SPEC")]
    pub on_refresh: Option<OnRefresh>,

    /// Serve Prometheus metrics on this address, at /metrics, such as [::]:9090.
    #[arg(long, env = "METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
}

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// A YAML file with `SecretProviderClass` resources; - is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The region of classes that name none.
    #[arg(long, env = "AWS_REGION", value_parser = str::parse::<Region>)]
    pub region: Option<Region>,

    /// Print an IAM policy alone, ready for `aws iam put-role-policy`: the one of the pod's own role, or, for classes
    /// with an assumeRoleArn, the one of the role that reads.
    #[arg(long, value_name = "ROLE", num_args = 0..=1, require_equals = true, default_missing_value = "pod")]
    pub policy: Option<PolicyOf>,
}

/// Whose policy `check --policy` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PolicyOf {
    /// The pod's own role.
    Pod,
    /// The role that reads the objects: the one of assumeRoleArn, or else the pod's own.
    Reader,
}

impl Args {
    /// Sends the log to standard error: standard output is for results.
    pub fn start_logging(&self) {
        tracing_subscriber::fmt()
            .with_max_level(self.log_level)
            .with_writer(std::io::stderr)
            .with_target(false)
            // The container runtime stamps every line already.
            .without_time()
            .with_ansi(false)
            .init();
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
