//! The program while it runs: `refresh` ends when it is told to.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Stage, class};

/// A running refresh; killed with this value.
pub(crate) struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Stage {
    /// Fetches a class and leaves its versions for a refresh.
    pub(crate) async fn fetch_for_refresh(&self, parameters: &[(&str, &str)], objects: &str) {
        let state = self.state();
        let outcome = self
            .fetch_with(parameters, objects, |command| {
                command.arg("--state").arg(state)
            })
            .await;
        assert!(outcome.success, "{}", outcome.stderr);
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// A refresh every second of the class that was fetched last.
    pub(crate) fn refresh_command(&self) -> Command {
        let mut command = self.command();
        command
            .env("FETCH_TIMEOUT", "3s")
            .args(["refresh", "--interval", "1s"])
            .arg("--class-file")
            .arg(self.path("class.yaml"))
            .arg("--mount-path")
            .arg(self.mount())
            .arg("--state")
            .arg(self.state());
        command
    }

    pub(crate) fn refresh(&self) -> Running {
        Running::start(self.refresh_command())
    }

    /// Fetches, forgets the calls, and refreshes.
    pub(crate) async fn fetch_and_refresh(
        &self,
        parameters: &[(&str, &str)],
        objects: &str,
    ) -> Running {
        self.fetch_for_refresh(parameters, objects).await;
        self.aws.forget();
        self.refresh()
    }

    /// Writes the class that `refresh` reads.
    pub(crate) fn write_class(&self, parameters: &[(&str, &str)], objects: &str) {
        std::fs::write(self.path("class.yaml"), class("db", parameters, objects)).unwrap();
    }

    /// What a file of the mount holds; nothing if it is not there.
    pub(crate) fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.mount().join(name)).unwrap_or_default()
    }

    /// The directory that `..data` leads to: another one after each write.
    pub(crate) fn generation(&self) -> PathBuf {
        std::fs::read_link(self.mount().join("..data")).unwrap()
    }

    /// How often an operation was called.
    pub(crate) fn count(&self, operation: &str) -> usize {
        let calls = self.aws.calls();
        calls
            .iter()
            .filter(|call| call.operation == operation)
            .count()
    }

    /// Waits until an operation was called some times more.
    pub(crate) async fn more_calls(&self, operation: &str, more: usize) {
        let goal = self.count(operation) + more;
        until(|| self.count(operation) >= goal).await;
    }
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                *lines.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { child, log }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log says something.
    pub(crate) async fn says(&self, words: &str) {
        until(|| self.log().contains(words)).await;
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Tells it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        self.end().await
    }

    /// Waits until it has ended.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let mut status = None;
        until(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Waits for a condition; one that never comes fails the test.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        for _ in 0..3000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("what {place} waits for did not come");
    }
}
