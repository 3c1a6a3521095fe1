//! What each command does, from options to exit status.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;

use crate::args::{Args, Check, Command, Fetch, Refresh};
use crate::classes::Wanted;
use crate::environment::Environment;
use crate::{check, classes, fetch, mount, refresh};
use provider_class::SNAPSHOT_VARIABLE;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the command of the command line.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Fetch(args) => run_fetch(args),
        Command::Refresh(args) => run_refresh(args),
        Command::Check(args) => run_check(args),
    }
}

/// The classes and the environment, from the command line and the variables.
fn read(args: &Fetch) -> anyhow::Result<(Vec<Wanted>, Environment)> {
    let variable = |name: &str| std::env::var(name).ok();
    let environment = Environment::read(variable)?;
    let snapshot = variable(SNAPSHOT_VARIABLE);
    let wanted = classes::load(args, snapshot.as_deref(), environment.region.as_ref())?;
    Ok((wanted, environment))
}

fn runtime() -> anyhow::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.context("could not start the runtime")
}

fn run_fetch(args: &Fetch) -> anyhow::Result<()> {
    let started = Instant::now();
    let (wanted, environment) = read(args)?;
    let runtime = runtime()?;
    let (directories, versions) = runtime.block_on(until_ended(fetch::fetch(
        &wanted,
        environment,
        args.timeout,
    )))??;
    for (mount_path, files) in &directories {
        mount::write(mount_path, files)?;
        let milliseconds = started.elapsed().as_millis();
        tracing::info!(files = files.len(), directory = %mount_path.display(), milliseconds, "secrets written");
    }
    if let Some(directory) = &args.state
        && let Err(error) = versions.save(directory)
    {
        // The files are there, which is what matters: a refresh without state fetches once more.
        tracing::warn!("state: {error}");
    }
    Ok(())
}

/// Waits for the work, or for a signal to end: the first process of a container is ended by none that it does not ask for,
/// and a pod that is deleted while it starts would linger.
async fn until_ended<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let mut terminate = signal(SignalKind::terminate()).context("could not wait for signals")?;
    tokio::select! {
        done = work => Ok(done),
        _ = terminate.recv() => anyhow::bail!("told to end before the secrets were written"),
    }
}

fn run_refresh(args: &Refresh) -> anyhow::Result<()> {
    let (wanted, environment) = read(&args.fetch)?;
    let runtime = runtime()?;
    let done = runtime.block_on(refresh::run(args, wanted, environment));
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    done.context("could not wait for signals")
}

fn run_check(args: &Check) -> anyhow::Result<()> {
    let text = if args.file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(&args.file)
    };
    let text = text.with_context(|| args.file.display().to_string())?;
    let report = check::check(&args.file, &text, args.region.as_ref(), args.policy);
    std::io::stdout()
        .write_all(report.text.as_bytes())
        .context("could not write to standard output")?;
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    anyhow::ensure!(report.errors.is_empty(), "{}", report.errors.join("\n"));
    Ok(())
}
