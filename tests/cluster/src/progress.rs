//! Progress: what runs now, and how long each step took.
//!
//! A terminal shows all running steps in one line, which is rewritten. Elsewhere, each step has a line when it starts and one
//! when it ends, and there is one a minute with all that run.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{LazyLock, Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::anyhow;

static BOARD: LazyLock<Mutex<Board>> = LazyLock::new(|| {
    Mutex::new(Board {
        is_terminal: std::io::stderr().is_terminal(),
        running: Vec::new(),
    })
});
static TICKER: Once = Once::new();

/// Moves to the first column, and erases the line.
const ERASE: &str = "\r\x1b[2K";
/// Cuts long lines at the terminal's width instead of breaking them, or stops that.
const CUT: [&str; 2] = ["\x1b[?7l", "\x1b[?7h"];

/// The running steps.
#[derive(Debug)]
struct Board {
    is_terminal: bool,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    what: String,
    since: Instant,
}

/// All methods return the text to print.
impl Board {
    fn start(&mut self, what: &str, now: Instant) -> String {
        let head = if self.is_terminal {
            String::new()
        } else {
            format!("==> {what}\n")
        };
        self.running.push(Running {
            what: what.to_owned(),
            since: now,
        });
        self.above(&head, now)
    }

    fn end(&mut self, what: &str, has_failed: bool, now: Instant) -> String {
        let Some(place) = self.running.iter().rposition(|step| step.what == what) else {
            return String::new();
        };
        let took = now.duration_since(self.running.remove(place).since);
        let result = if has_failed {
            "failed after"
        } else {
            "done in"
        };
        let line = format!("    {what}: {result} {:.1} s\n", took.as_secs_f32());
        self.above(&line, now)
    }

    /// The line of all running steps, which is due now.
    fn tick(&self, now: Instant) -> String {
        let is_idle = self.running.is_empty();
        match self.is_terminal {
            true => self.above("", now),
            false if is_idle => String::new(),
            false => format!("    … {}\n", self.all(now)),
        }
    }

    /// Lines above the one of a terminal that is rewritten.
    fn above(&self, lines: &str, now: Instant) -> String {
        if !self.is_terminal {
            return lines.to_owned();
        }
        let mut text = format!("{ERASE}{lines}");
        if !self.running.is_empty() {
            let [cut, wrap] = CUT;
            let _ = write!(text, "{cut}… {}{wrap}", self.all(now));
        }
        text
    }

    fn all(&self, now: Instant) -> String {
        let each = self.running.iter().map(|step| {
            let seconds = now.duration_since(step.since).as_secs();
            format!("{} ({seconds} s)", step.what)
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// How often the running steps are printed.
    fn interval(&self) -> Duration {
        Duration::from_secs(if self.is_terminal { 1 } else { 60 })
    }
}

/// Changes the board and prints what follows from it.
fn update(change: impl FnOnce(&mut Board, Instant) -> String) {
    let mut board = BOARD.lock().unwrap_or_else(PoisonError::into_inner);
    let text = change(&mut board, Instant::now());
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn tick() {
    let interval = BOARD
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .interval();
    loop {
        std::thread::sleep(interval);
        update(|board, now| board.tick(now));
    }
}

/// Runs a step, and shows that it runs, and how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    TICKER.call_once(|| drop(std::thread::spawn(tick)));
    update(|board, now| board.start(what, now));
    let result = work();
    update(|board, now| board.end(what, result.is_err(), now));
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
    update(|board, now| board.above(&format!("{text}\n"), now));
}

/// Prints a result to standard output.
pub fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_steps(is_terminal: bool) -> [String; 5] {
        let mut board = Board {
            is_terminal,
            running: Vec::new(),
        };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        [
            board.start("compiling", at(0)),
            board.start("downloading", at(10)),
            board.tick(at(60)),
            board.end("compiling", false, at(70)),
            board.end("downloading", true, at(71)),
        ]
    }

    #[test]
    fn a_log_has_a_line_for_each_start_and_end_and_one_for_all_that_run() {
        assert_eq!(
            two_steps(false),
            [
                "==> compiling\n",
                "==> downloading\n",
                "    … compiling (60 s), downloading (50 s)\n",
                "    compiling: done in 70.0 s\n",
                "    downloading: failed after 61.0 s\n",
            ]
        );
    }

    #[test]
    fn a_terminal_has_one_line_for_all_that_run_below_those_of_finished_steps() {
        let shown = two_steps(true).map(|text| {
            assert!(text.starts_with(ERASE), "{text:?}");
            text.replace(ERASE, "")
                .replace(CUT[0], "")
                .replace(CUT[1], "")
        });
        assert_eq!(
            shown,
            [
                "… compiling (0 s)",
                "… compiling (10 s), downloading (0 s)",
                "… compiling (60 s), downloading (50 s)",
                "    compiling: done in 70.0 s\n… downloading (60 s)",
                "    downloading: failed after 61.0 s\n",
            ]
        );
    }

    #[test]
    fn nothing_is_printed_while_no_step_runs() {
        let board = Board {
            is_terminal: false,
            running: Vec::new(),
        };
        assert_eq!(board.tick(Instant::now()), "");
    }
}
