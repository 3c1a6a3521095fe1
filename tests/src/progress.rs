//! Lines that say what is going on, and how long it took.

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A step that takes longer says so at this interval.
const TICK: Duration = Duration::from_secs(15);

/// Runs a step, between a line that names it and one with its time.
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
            "    done in {:.1} s",
            started.elapsed().as_secs_f32()
        ));
    }
    result
}

/// Prints a line.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a result, on standard output.
pub fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
