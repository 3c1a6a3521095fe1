//! What each command does, from options to exit status.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;

use crate::args::{Args, Check, Command, Fetch, FetchOnce, Refresh};
use crate::classes::ClassToFetch;
use crate::kubernetes::SecretApplier;
use crate::refresh::End;
use crate::settings::Settings;
use crate::variables::{self, SecretVariables};
use crate::{check, classes, fetch, mount, refresh, summary};
use provider_class::RESTART_EXIT_STATUS;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the command that the arguments name. Returns its exit status.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    args.start_logging()?;
    // Pods run on Linux; on other systems the program is for `check`.
    #[cfg(target_os = "linux")]
    hide_from_other_processes()?;
    match &args.command {
        Command::Fetch(args) => run_fetch(args)?,
        Command::Refresh(args) => return run_refresh(args),
        Command::Check(args) => run_check(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Other processes of the same user that share the pod's process namespace must not reach the token and the writable files
/// through `/proc/PID/root`, nor this process's memory.
///
/// Source: `PR_SET_DUMPABLE` of <https://man7.org/linux/man-pages/man2/prctl.2.html>.
#[cfg(target_os = "linux")]
fn hide_from_other_processes() -> anyhow::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("could not hide this process from other processes of its user")
}

/// Does the work. A name server that does not respond must not delay the exit.
fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}

fn run_fetch(once: &FetchOnce) -> anyhow::Result<()> {
    let started = Instant::now();
    let settings = Settings::read(&once.fetch)?;
    check_directories(&once.fetch, &settings)?;
    block_on(until_ended(fetch_and_write(once, settings, started)))??
}

async fn fetch_and_write(
    once: &FetchOnce,
    settings: Settings,
    started: Instant,
) -> anyhow::Result<()> {
    let args = &once.fetch;
    let (directories, versions) = fetch::fetch(
        &settings.wanted,
        settings.variables.as_ref(),
        settings.environment,
        args.timeout,
    )
    .await?;
    for (mount_path, files) in &directories {
        if args.is_injected() {
            mount::clear(mount_path)?;
        }
        mount::write(mount_path, files)?;
        let milliseconds = started.elapsed().as_millis();
        tracing::info!(files = files.len(), directory = %mount_path.display(), milliseconds, "secrets written");
    }
    if let Some(variables) = &settings.variables {
        write_variables(variables)?;
    }
    if let Some(secrets) = &settings.secrets {
        // Last, so that they agree with the files.
        apply_secrets(secrets, &settings.wanted).await?;
    }
    if let Some(directory) = &args.state
        && let Err(error) = versions.save(directory)
    {
        // The files are written, which is what matters: without state, a refresh fetches once more.
        tracing::warn!("state: {error}");
    }
    if let Some(file) = &once.termination_message
        && let Err(error) = summary::write(file, &summary::lines(&settings.wanted, &versions))
    {
        tracing::warn!("termination message {}: {error}", file.display());
    }
    Ok(())
}

/// Writes the file of all variables, and the program that containers need to read it.
fn write_variables(variables: &SecretVariables) -> anyhow::Result<()> {
    let file = variables.file()?;
    let directory = variables.directory();
    mount::clear(directory)?;
    mount::write(directory, &[file])?;
    tracing::info!(variables = variables.count(), directory = %directory.display(), "environment variables written");
    if let Some(directory) = variables.program_directory() {
        variables::install(directory)?;
    }
    Ok(())
}

/// Applies the Kubernetes Secrets of all classes.
async fn apply_secrets(secrets: &SecretApplier, wanted: &[ClassToFetch]) -> anyhow::Result<()> {
    match secrets.apply_all(wanted).await {
        Ok(count) => {
            tracing::info!(secrets = count, "Kubernetes Secrets applied");
            Ok(())
        }
        Err(errors) => anyhow::bail!("{}", classes::lines(&errors)),
    }
}

/// Finds directories in which the app could not read the files, before anything is fetched.
fn check_directories(args: &Fetch, settings: &Settings) -> anyhow::Result<()> {
    let of_classes = settings
        .wanted
        .iter()
        .map(|wanted| wanted.mount_path.as_path());
    let of_variables = settings.variables.iter().map(SecretVariables::directory);
    for directory in of_classes.chain(of_variables) {
        let Some(unreadable) = mount::unreadable_links(directory) else {
            continue;
        };
        anyhow::ensure!(
            !args.is_injected(),
            "{unreadable}; the kubelet created it for a container that started earlier and mounts it: make aws-secrets-injector the first init container"
        );
        tracing::warn!("{unreadable}; use a directory inside it, or another one");
    }
    Ok(())
}

/// Waits for the work or for SIGTERM. The first process of a container ignores signals that it has no handler for, so a pod
/// that is deleted while it starts would linger.
async fn until_ended<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let mut terminate = signal(SignalKind::terminate()).context("could not wait for signals")?;
    tokio::select! {
        done = work => Ok(done),
        _ = terminate.recv() => anyhow::bail!("terminated before the secrets were written"),
    }
}

fn run_refresh(args: &Refresh) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&args.fetch)?;
    let end = block_on(refresh::run(args, settings))?;
    Ok(match end.context("could not wait for signals")? {
        End::Signal => ExitCode::SUCCESS,
        End::Restart => ExitCode::from(RESTART_EXIT_STATUS),
    })
}

fn run_check(args: &Check) -> anyhow::Result<()> {
    let options = check::Options {
        region: args.region.as_ref(),
        policy: args.policy,
        rbac: args
            .service_account
            .as_deref()
            .map(|service_account| check::Rbac {
                service_account,
                namespace: args.namespace.as_deref(),
            }),
        output: args.output,
    };
    let report = check::check(&args.files, options);
    std::io::stdout()
        .write_all(report.text.as_bytes())
        .context("could not write to standard output")?;
    for note in &report.notes {
        tracing::info!("{note}");
    }
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    anyhow::ensure!(report.errors.is_empty(), "{}", report.errors.join("\n"));
    Ok(())
}
