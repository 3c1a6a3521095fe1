//! Resource use of a program, as its parent sees it. This runs in a separate process, because the kernel adds up all children.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// The program to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// The resources that it used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Time from start to exit.
    pub(crate) wall: Duration,
    /// CPU time in user and kernel mode.
    pub(crate) cpu: Duration,
    /// Peak resident memory, including shared pages, in KiB.
    pub(crate) peak_rss_kib: u64,
}

/// Runs the program and prints its usage as JSON.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (program, arguments) = args.command.split_first().context("no program")?;
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("could not run {program}"))?;
    let wall = started.elapsed();
    ensure!(status.success(), "{program} failed: {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(
            u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or_default(),
        )
    };
    let usage = Usage {
        wall,
        cpu: time(usage.user_time()) + time(usage.system_time()),
        peak_rss_kib: u64::try_from(usage.max_rss())?,
    };
    e2e::progress::print(&serde_json::to_string(&usage)?);
    Ok(())
}
