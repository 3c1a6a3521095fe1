//! The resources of processes.

use std::fs;
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

/// The resources that a program used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Time from start to exit.
    pub(crate) wall: Duration,
    /// CPU time in user and kernel mode.
    pub(crate) cpu: Duration,
    /// Peak resident memory, including shared pages, in KiB.
    pub(crate) peak: usize,
}

/// Runs the program and prints its usage as JSON. This is a process of its own, because the kernel adds up all children.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (program, arguments) = args.command.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let started = Instant::now();
    let status = command.stdout(Stdio::null()).status()?;
    let wall = started.elapsed();
    ensure!(status.success(), "{program} failed: {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    let usage = Usage {
        wall,
        cpu: Duration::from_micros(u64::try_from(micros.iter().sum::<i64>())?),
        peak: usize::try_from(usage.max_rss())?,
    };
    e2e::progress::print(&serde_json::to_string(&usage)?);
    Ok(())
}

/// Current resident memory of a process, in KiB.
pub(crate) fn resident(id: u32) -> anyhow::Result<usize> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(memory.parse()?)
}
