//! What each command does, from options to exit status.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;

use crate::args::{Args, Check, Command, Fetch, Refresh};
use crate::classes::Wanted;
use crate::environment::Environment;
use crate::{check, classes, fetch, mount, refresh};
use provider_class::SNAPSHOT_VARIABLE;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the command of the command line.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Fetch(args) => run_fetch(args),
        Command::Refresh(args) => run_refresh(args),
        Command::Check(args) => run_check(args),
    }
}

fn run_fetch(args: &Fetch) -> anyhow::Result<()> {
    let started = Instant::now();
    let (wanted, environment) = load(args)?;
    until_ended(async {
        let fetched = fetch::fetch(&wanted, environment, args.timeout).await?;
        for (mount_path, files) in &fetched.directories {
            mount::write(mount_path, files)?;
            let milliseconds = started.elapsed().as_millis();
            tracing::info!(files = files.len(), directory = %mount_path.display(), milliseconds, "secrets written");
        }
        if let Some(directory) = &args.state_directory {
            fetched.versions.write(directory)?;
        }
        Ok(())
    })?
    .context("told to end before the secrets were written")
}

fn run_refresh(args: &Refresh) -> anyhow::Result<()> {
    let (wanted, environment) = load(&args.fetch)?;
    let settings = refresh::Settings {
        interval: args.interval,
        timeout: args.fetch.timeout,
        on_refresh: args.on_refresh.clone(),
        metrics: args.metrics_listen,
        state: args.fetch.state_directory.clone(),
    };
    let ended = until_ended(async {
        match refresh::run(wanted, environment, settings).await {
            Ok(never) => match never {},
            Err(error) => Err::<(), _>(error.into()),
        }
    })?;
    if ended.is_none() {
        tracing::info!("told to end");
    }
    Ok(())
}

fn load(args: &Fetch) -> anyhow::Result<(Vec<Wanted>, Environment)> {
    let variable = |name: &str| std::env::var(name).ok();
    let environment = Environment::read(variable)?;
    let snapshot = variable(SNAPSHOT_VARIABLE);
    let wanted = classes::load(args, snapshot.as_deref(), environment.region.as_ref())?;
    Ok((wanted, environment))
}

/// Runs until the work is done; nothing, where the pod is to end before. The first process of a container is not ended by
/// signals that it does not ask for.
fn until_ended<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<Option<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    runtime.block_on(async {
        let mut terminate =
            signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
        let mut interrupt =
            signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
        tokio::select! {
            done = work => done.map(Some),
            _ = terminate.recv() => Ok(None),
            _ = interrupt.recv() => Ok(None),
        }
    })
}

fn run_check(args: &Check) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(&args.file).with_context(|| args.file.display().to_string())?;
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
