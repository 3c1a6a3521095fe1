//! Processes, by ID and start time: an ID alone may be another process's by now.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::command::run;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    /// When it started, in the kernel's ticks.
    pub(super) started: String,
}

impl Process {
    /// The process that has this ID now.
    pub(super) fn of(id: u32) -> Option<Self> {
        start_time(id).map(|started| Self { id, started })
    }

    /// The process with this program's name that shares a namespace of processes with another one.
    pub(super) fn named(name: &str, beside: u32) -> anyhow::Result<Self> {
        let namespace = |id: u32| fs::read_link(format!("/proc/{id}/ns/pid")).ok();
        let wanted = namespace(beside).context("the cluster does not run any more")?;
        let ids = fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // The kernel keeps 15 characters of a name.
        let short: String = name.chars().take(15).collect();
        let is_it = |id: &u32| {
            let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            name.trim_end() == short && namespace(*id).as_ref() == Some(&wanted)
        };
        ids.into_iter()
            .find(is_it)
            .and_then(Self::of)
            .with_context(|| format!("{name} does not run"))
    }

    pub(super) fn is_alive(&self) -> bool {
        start_time(self.id).as_ref() == Some(&self.started)
    }

    /// Its program and what that was given.
    pub(super) fn arguments(&self) -> anyhow::Result<Vec<String>> {
        let text = fs::read_to_string(format!("/proc/{}/cmdline", self.id))?;
        Ok(text
            .trim_end_matches('\0')
            .split('\0')
            .map(str::to_owned)
            .collect())
    }

    /// Sends a signal, and returns when the process is gone.
    pub(super) fn end(&self, signal: &str) -> anyhow::Result<()> {
        if self.is_alive() {
            run(Command::new("kill").args([signal, &self.id.to_string()]))?;
        }
        for _ in 0..1200 {
            if !self.is_alive() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("process {} does not end", self.id)
    }
}

/// When a process started, in ticks since the machine did; `None` where there is none, or only what is left of one.
fn start_time(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may have spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    // The first thread may have ended before others, which still hold the process's ports.
    let is_over = matches!(state, "Z" | "X") && threads(process) < 2;
    (!is_over).then(|| started.to_owned())
}

fn threads(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count)
}
