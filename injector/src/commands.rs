//! What each command does, from options to exit status.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;

use crate::args::{Args, Check, Command, Fetch};
use crate::environment::Environment;
use crate::{check, classes, fetch, mount};
use provider_class::SNAPSHOT_VARIABLE;

/// Runs the command of the command line.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Fetch(args) => run_fetch(args),
        Command::Check(args) => run_check(args),
    }
}

fn run_fetch(args: &Fetch) -> anyhow::Result<()> {
    let started = Instant::now();
    let variable = |name: &str| std::env::var(name).ok();
    let environment = Environment::read(variable)?;
    let snapshot = variable(SNAPSHOT_VARIABLE);
    let wanted = classes::load(args, snapshot.as_deref(), environment.region.as_ref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let directories = runtime.block_on(fetch::fetch(&wanted, environment, args.timeout))?;
    for (mount_path, files) in &directories {
        mount::write(mount_path, files)?;
        let milliseconds = started.elapsed().as_millis();
        tracing::info!(files = files.len(), directory = %mount_path.display(), milliseconds, "secrets written");
    }
    Ok(())
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
