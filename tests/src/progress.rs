//! Progress lines: the current step and how long it took.

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::anyhow;

/// Interval of progress lines during a long step.
const TICK: Duration = Duration::from_secs(15);

/// Runs a step. Prints a line before it, and one with its duration after it.
pub fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    line(&format!("==> {what}"));
    let started = Instant::now();
    let (done, ended) = channel::<()>();
    let name = what.to_owned();
    let ticker = std::thread::spawn(move || {
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            line(&format!("    … {name} ({} s)", started.elapsed().as_secs()));
        }
    });
    let result = work();
    drop(done);
    let _ = ticker.join();
    if result.is_ok() {
        line(&format!(
            "    {what}: done in {:.1} s",
            started.elapsed().as_secs_f32()
        ));
    }
    result
}

/// A step that runs on its own thread while others continue.
#[derive(Debug)]
pub struct Beside<T>(JoinHandle<anyhow::Result<T>>);

impl<T: Send + 'static> Beside<T> {
    /// Starts a step.
    pub fn start(
        what: &'static str,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Self {
        Self(std::thread::spawn(move || step(what, work)))
    }

    /// Waits until the step has ended.
    ///
    /// # Errors
    ///
    /// Those of the step.
    pub fn finish(self) -> anyhow::Result<T> {
        self.0
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the step panicked")))
    }
}

/// Prints a line.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a result to standard output.
pub fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
