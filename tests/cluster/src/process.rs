//! Processes, identified by ID and start time, because IDs are reused.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::command::run;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Process {
    pub(crate) id: u32,
    /// Its start time, in kernel ticks.
    pub(crate) started: String,
}

impl Process {
    /// The process that currently has this ID.
    pub(crate) fn of(id: u32) -> Option<Self> {
        start_time(id).map(|started| Self { id, started })
    }

    pub(crate) fn is_alive(&self) -> bool {
        start_time(self.id).as_ref() == Some(&self.started)
    }

    /// Sends a signal and waits until the process is gone.
    pub(crate) fn end(&self, signal: &str) -> anyhow::Result<()> {
        if self.is_alive() {
            run(Command::new("kill").args([signal, &self.id.to_string()]))?;
        }
        ensure!(
            self.wait(Duration::from_mins(1)),
            "process {} did not exit",
            self.id
        );
        Ok(())
    }

    /// Waits until the process is gone. `false`: it is not.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let start = Instant::now();
        while self.is_alive() {
            if start.elapsed() > limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }
}

/// Start time of a process, in ticks since boot. `None` if there is no such process, or only a zombie.
fn start_time(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses can contain spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    // The first thread can exit before others, which still hold the process's ports.
    let is_over = matches!(state, "Z" | "X") && threads(process) < 2;
    (!is_over).then(|| started.to_owned())
}

fn threads(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count)
}
