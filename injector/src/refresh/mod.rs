//! Keeps the files of classes as AWS has them: asks at intervals, writes what changed, and tells the app.
//!
//! What goes in: what `fetch` takes, and how often. What comes out: files that follow AWS, a line in the log for every
//! change and every failure. Only a signal ends it: whatever AWS answers, the files stay and it asks again.
//!
//! | module | holds |
//! |---|---|
//! | `round` | one refresh |
//! | `schedule` | when the next one is due |
//! | `notify` | tells the app of a change |
//! | `metrics`, `server` | what is counted, and where it is served |

mod metrics;
mod notify;
mod round;
pub mod schedule;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use provider_class::OnRefresh;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::args::Refresh;
use crate::classes::Wanted;
use crate::credentials::CredentialCache;
use crate::environment::Environment;
use crate::versions::Versions;
use metrics::Metrics;
use round::{ClassResult, Refresher};

/// How long replaced files stay: a reader that looked up `..data` just before the swap can still open what it leads to.
const GRACE: Duration = Duration::from_secs(1);

/// Refreshes until SIGTERM or SIGINT.
pub async fn run(args: &Refresh, wanted: Vec<Wanted>, environment: Environment) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = refresh(args, wanted, environment) => {}
    }
    tracing::info!("ended by a signal");
    Ok(())
}

async fn refresh(args: &Refresh, wanted: Vec<Wanted>, environment: Environment) {
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
        environment,
        timeout: args.fetch.timeout,
        state,
        versions: versions.unwrap_or_default(),
        credentials: CredentialCache::default(),
        old: Vec::new(),
    };
    for wanted in &refresher.wanted {
        metrics.note_versions(wanted, refresher.versions.of(wanted));
    }
    tracing::info!(classes, interval = %args.interval, "refreshing");
    let mut keeper = Keeper {
        args,
        refresher,
        metrics,
        next: Instant::now(),
        retry: None,
        failures: BTreeMap::new(),
        failures_in_a_row: 0,
        untold: false,
    };
    keeper.offset();
    loop {
        keeper.wait().await;
        keeper.refresh().await;
    }
}

/// The state of the loop.
struct Keeper<'a> {
    args: &'a Refresh,
    refresher: Refresher,
    metrics: Arc<Metrics>,
    /// When all classes are due.
    next: Instant,
    /// When those that failed are.
    retry: Option<Instant>,
    /// Which failed, and why.
    failures: BTreeMap<usize, BTreeSet<String>>,
    failures_in_a_row: u32,
    /// Does the app not know of a change yet?
    untold: bool,
}

impl Keeper<'_> {
    /// The first refresh comes at a random moment of the first interval, or at once where files may be missing.
    fn offset(&mut self) {
        let known = |wanted: &Wanted| self.refresher.is_known(wanted);
        if self.refresher.wanted.iter().all(known) {
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
        if let (true, Some(how)) = (self.untold, &self.args.on_refresh) {
            self.untold = !tell(how).await;
        }
        if !self.refresher.old.is_empty() {
            tokio::time::sleep(GRACE).await;
            self.refresher.remove_old();
        }
        self.retry = failed.then(|| Instant::now() + wait);
        if let Some(retry) = self.retry {
            let at = retry.min(self.next);
            let seconds = at.saturating_duration_since(Instant::now()).as_secs_f64();
            tracing::warn!("files of failed classes stay as they are; next try in {seconds:.0} s");
        }
    }

    /// Logs and counts what became of a class.
    fn settle(&mut self, index: usize, result: ClassResult) {
        let wanted = &self.refresher.wanted[index];
        let class = &wanted.class.name;
        self.metrics
            .note(wanted, &result, self.refresher.versions.of(wanted));
        match result {
            Ok(changed) => {
                if self.failures.remove(&index).is_some() {
                    tracing::info!(class, "refreshes again");
                }
                if !changed.is_empty() {
                    tracing::info!(class, files = changed.join(", "), "files changed");
                    self.untold = true;
                }
            }
            Err(lines) => {
                for line in &lines {
                    tracing::warn!("refresh failed: class {class:?}: {line}");
                }
                self.failures.insert(index, lines);
            }
        }
    }
}

/// Tells the app; whether that worked.
async fn tell(how: &OnRefresh) -> bool {
    match notify::tell(how).await {
        Ok(()) => {
            tracing::info!("told the app: {how}");
            true
        }
        Err(error) => {
            tracing::warn!(
                "could not tell the app: {how}: {error}; trying again at the next refresh"
            );
            false
        }
    }
}
