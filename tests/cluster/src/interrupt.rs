//! Ctrl-C, and the signals of a closed terminal and of `kill`: ends the programs that this process runs, cleans up, and exits.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::command::run;
use crate::process::Process;
use crate::progress::line;

/// Set by the first signal.
static INTERRUPTED: OnceLock<()> = OnceLock::new();
/// How long a signal for this process may take after it ended a program that this process waited for.
const DELAY: Duration = Duration::from_millis(200);

/// Cleans up on a signal. This process then exits.
///
/// # Errors
///
/// When signals cannot be received.
pub fn then(clean_up: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(entered);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        let _ = INTERRUPTED.set(());
        line("interrupted");
        // The terminal signals all programs, `kill` only this one.
        end_programs();
        clean_up();
        std::process::exit(130);
    });
    Ok(())
}

/// Never returns if there was a signal. Call it when something failed: the reason may be that its program was interrupted, too.
pub fn check() {
    thread::sleep(DELAY);
    while INTERRUPTED.get().is_some() {
        thread::park();
    }
}

fn end_programs() {
    let running: Vec<Process> = below(std::process::id());
    for process in &running {
        // It may just have ended.
        let _ = run(Command::new("kill").args(["-INT", &process.id.to_string()]));
    }
    for process in running {
        process.wait(Duration::from_secs(10));
    }
}

/// All processes that this one started, and those that they started.
fn below(parent: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let tasks = fs::read_dir(format!("/proc/{parent}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
            found.extend(Process::of(child));
            found.extend(below(child));
        }
    }
    found
}
