//! Keeps files fresh for as long as the pod runs: the sidecar.

mod directory;
mod metrics;
pub mod notify;
mod round;
mod schedule;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use provider_class::{OnRefresh, RefreshInterval};

use crate::classes::Wanted;
use crate::credentials::Kept;
use crate::environment::Environment;
use crate::versions::Versions;
use metrics::Metrics;
use round::{Refresher, Round};
use schedule::Schedule;

/// How files are kept fresh.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The time between two looks at AWS.
    pub interval: RefreshInterval,
    /// How long one look may take.
    pub timeout: Duration,
    /// How the app is told of changes.
    pub on_refresh: Option<OnRefresh>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Where `fetch` has noted the versions that it wrote.
    pub state: Option<PathBuf>,
}

/// It cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("could not serve metrics on {address}: {error}")]
pub struct ListenError {
    address: SocketAddr,
    error: std::io::Error,
}

/// Looks at AWS at every interval, without end. Whatever fails is logged and tried again.
pub async fn run(
    wanted: Vec<Wanted>,
    environment: Environment,
    settings: Settings,
) -> Result<std::convert::Infallible, ListenError> {
    let metrics = Metrics::default();
    if let Some(address) = settings.metrics {
        let served = metrics::serve(address, metrics.clone()).await;
        served.map_err(|error| ListenError { address, error })?;
    }
    let objects = objects(&wanted);
    let versions = Versions::read(settings.state.as_deref());
    let mut refresher = Refresher {
        wanted,
        environment,
        timeout: settings.timeout,
        state: settings.state,
        versions,
        credentials: Kept::default(),
    };
    let mut schedule = Schedule::new(settings.interval.duration());
    let mut untold = false;
    let mut wait = schedule.first();
    tracing::info!(interval = %settings.interval, objects = objects.len(), "refreshing");
    loop {
        tokio::time::sleep(wait).await;
        let failed_before = schedule.failures();
        let round = refresher.round().await;
        log(&round, failed_before);
        wait = if round.failures.is_empty() {
            schedule.after_success()
        } else {
            schedule.after_failure()
        };
        metrics.add(&round, &objects, schedule.failures(), wait);
        untold |= !round.changed.is_empty();
        if let (true, Some(on_refresh)) = (untold, &settings.on_refresh) {
            untold = match notify::tell(on_refresh).await {
                Ok(()) => {
                    tracing::info!("told the app: {on_refresh}");
                    false
                }
                Err(error) => {
                    tracing::warn!(
                        "could not tell the app, trying again after the next look at AWS: {error}"
                    );
                    true
                }
            };
        }
    }
}

/// Class and name of every object.
fn objects(wanted: &[Wanted]) -> Vec<(String, String)> {
    let of = |wanted: &Wanted| {
        let class = wanted.class.name.clone();
        let names = wanted
            .class
            .objects
            .iter()
            .map(move |object| (class.clone(), object.request.to_string()));
        names.collect::<Vec<_>>()
    };
    wanted.iter().flat_map(of).collect()
}

fn log(round: &Round, failed_before: u32) {
    for failure in &round.failures {
        tracing::warn!("the files stay as they are: {failure}");
    }
    if !round.changed.is_empty() {
        tracing::info!(files = round.changed.join(","), "secrets changed");
    }
    if round.failures.is_empty() && failed_before > 0 {
        tracing::info!(failures = failed_before, "refreshing works again");
    } else if round.failures.is_empty() {
        tracing::debug!("everything is fresh");
    }
}
