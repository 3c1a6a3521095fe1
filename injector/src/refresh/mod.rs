//! Keeps the files of classes up to date: asks AWS at intervals, writes what changed, and notifies the app.
//!
//! What goes in: what `fetch` takes, and an interval. What comes out: files that follow AWS, and a line in the log for every
//! change and every failure. Only a signal ends it, or a change after which all containers are to restart. Whatever AWS
//! responds, the files stay and the next attempt follows.
//!
//! | module | holds |
//! |---|---|
//! | `round`, `directory` | one refresh, and what it writes to a directory |
//! | `schedule` | when the next one is due |
//! | `notify` | notifies the app of a change |
//! | `metrics`, `server` | the metrics, and the server for them |

mod directory;
mod metrics;
mod notify;
mod round;
pub mod schedule;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use provider_class::{Notification, OnRefresh, Title};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::args::Refresh;
use crate::credentials::CredentialCache;
use crate::settings::Settings;
use crate::versions::Versions;
use round::Refresher;

pub use directory::ClassResult;
pub use metrics::Metrics;

/// How long replaced files stay: a reader that resolved `..data` just before the swap can still open the files.
const GRACE: Duration = Duration::from_secs(1);

/// Why refreshing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGTERM or SIGINT.
    Signal,
    /// Files changed, and the pod's containers are to restart.
    Restart,
}

/// Refreshes until SIGTERM or SIGINT, or, with [`OnRefresh::Restart`], until files changed.
pub(crate) async fn run(args: &Refresh, settings: Settings) -> io::Result<End> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let end = tokio::select! {
        biased;
        _ = terminate.recv() => End::Signal,
        _ = interrupt.recv() => End::Signal,
        () = until_restart(args, settings) => End::Restart,
    };
    match end {
        End::Signal => tracing::info!("terminated by a signal"),
        End::Restart => tracing::info!("restarting the pod's containers"),
    }
    Ok(end)
}

/// Refreshes until the pod's containers are to restart.
async fn until_restart(args: &Refresh, settings: Settings) {
    let Settings {
        wanted,
        variables,
        secrets,
        environment,
    } = settings;
    let classes = wanted.len();
    let metrics = Arc::new(Metrics::new(wanted.iter().map(|wanted| &wanted.class.name)));
    if let Some(address) = args.metrics_listen {
        server::start(address, Arc::clone(&metrics)).await;
    }
    let state = args.fetch.state.clone();
    let versions = state.as_deref().map(Versions::load).transpose();
    let versions = versions.unwrap_or_else(|error| {
        tracing::warn!("state: {error}; fetching everything once");
        None
    });
    let refresher = Refresher {
        wanted,
        variables,
        secrets,
        environment,
        timeout: args.fetch.timeout,
        state,
        versions: versions.unwrap_or_default(),
        credentials: CredentialCache::default(),
        old: Vec::new(),
        unreported: BTreeMap::new(),
    };
    for wanted in &refresher.wanted {
        metrics.note_versions(wanted, refresher.versions.of(wanted));
    }
    tracing::info!(classes, interval = %args.interval, "refreshing");
    let mut all = RefreshLoop {
        args,
        refresher,
        metrics,
        next: Instant::now(),
        retry: None,
        failures: BTreeMap::new(),
        failures_in_a_row: 0,
        unnotified: false,
    };
    all.offset();
    while !all.restart_is_due() {
        all.wait().await;
        all.refresh().await;
    }
}

/// The loop that refreshes classes when they are due.
struct RefreshLoop<'a> {
    args: &'a Refresh,
    refresher: Refresher,
    metrics: Arc<Metrics>,
    /// When all classes are due.
    next: Instant,
    /// When those classes are due that failed.
    retry: Option<Instant>,
    /// The classes that failed, and why.
    failures: BTreeMap<usize, BTreeSet<String>>,
    failures_in_a_row: u32,
    /// Is there a change that the app has not been notified of?
    unnotified: bool,
}

impl RefreshLoop<'_> {
    /// The first refresh is due at a random time in the first interval, or at once if files may be missing.
    fn offset(&mut self) {
        let mut classes = self.refresher.wanted.iter();
        if classes.all(|wanted| self.refresher.is_known(wanted)) {
            self.next += schedule::offset(self.args.interval.duration(), fastrand::f64());
        }
    }

    async fn wait(&self) {
        let at = self.retry.map_or(self.next, |retry| retry.min(self.next));
        let wait = at.saturating_duration_since(Instant::now());
        self.metrics.set_next(SystemTime::now() + wait);
        tokio::time::sleep_until(at).await;
    }

    async fn refresh(&mut self) {
        let interval = self.args.interval.duration();
        let all = Instant::now() >= self.next;
        let due: BTreeSet<usize> = if all {
            (0..self.refresher.wanted.len()).collect()
        } else {
            self.failures.keys().copied().collect()
        };
        let results = self.refresher.round(&due).await;
        if all {
            self.next = Instant::now() + schedule::jittered(interval, fastrand::f64());
        }
        let failed = results.values().any(Result::is_err);
        self.failures_in_a_row = if failed {
            self.failures_in_a_row + 1
        } else {
            0
        };
        let wait = schedule::retry(interval, self.failures_in_a_row, fastrand::f64());
        for (index, result) in results {
            self.settle(index, result);
        }
        match &self.args.on_refresh {
            Some(OnRefresh::Notify(how)) if self.unnotified => {
                self.unnotified = !notify(how).await;
            }
            Some(OnRefresh::Restart) if self.unnotified && !self.failures.is_empty() => {
                tracing::warn!(
                    "files changed, but the pod's containers are not restarted while a class fails to refresh: they could not start again"
                );
            }
            _ => {}
        }
        if !self.refresher.old.is_empty() {
            tokio::time::sleep(GRACE).await;
            self.refresher.remove_old();
        }
        self.retry = failed.then(|| Instant::now() + wait);
        if let Some(retry) = self.retry {
            let at = retry.min(self.next);
            let seconds = at.saturating_duration_since(Instant::now()).as_secs_f64();
            tracing::warn!("keeping current files of failed classes; retrying in {seconds:.0} s");
        }
    }

    /// Are the pod's containers to restart? They start only after all classes have been fetched again, so a class that
    /// fails to refresh delays it.
    fn restart_is_due(&self) -> bool {
        let restarts = self.args.on_refresh == Some(OnRefresh::Restart);
        restarts && self.unnotified && self.failures.is_empty()
    }

    /// Logs and counts the result for a class.
    fn settle(&mut self, index: usize, result: ClassResult) {
        let wanted = &self.refresher.wanted[index];
        let class = &wanted.class.name;
        self.metrics
            .note(wanted, &result, self.refresher.versions.of(wanted));
        match result {
            Ok(changed) => {
                if self.failures.remove(&index).is_some() {
                    tracing::info!(class, "refresh recovered");
                }
                if !changed.is_empty() {
                    tracing::info!(class, files = changed.join(", "), "files changed");
                    self.unnotified = true;
                }
            }
            Err(lines) => {
                for line in &lines {
                    tracing::warn!("refresh failed: {}: {line}", Title(class));
                }
                self.failures.insert(index, lines);
            }
        }
    }
}

/// Notifies the app. Returns whether that worked.
async fn notify(how: &Notification) -> bool {
    match notify::notify(how).await {
        Ok(()) => {
            tracing::info!("notified the app: {how}");
            true
        }
        Err(error) => {
            tracing::warn!(
                "could not notify the app: {how}: {error}; retrying at the next refresh"
            );
            false
        }
    }
}
