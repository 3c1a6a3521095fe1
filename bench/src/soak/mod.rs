//! `make soak`: the installation under load and trouble for hours. Pods are created and deleted, secrets change, AWS fails,
//! replicas are killed and certificates expire. At the end nothing may be bare, stuck, larger than before, or in a log.
//!
//! | module | contents |
//! |---|---|
//! | `stage` | the cluster, the installation, and the pods with sidecars |
//! | `pods` | pods that come and go |
//! | `trouble` | new values, faults of AWS, killed replicas |
//! | `processes` | memory and file handles over time |
//! | `logs` | the search for secrets in logs |
//! | `page` | docs/soak.md and its plot |

mod logs;
mod page;
mod pods;
mod processes;
mod stage;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use e2e::progress::{line, step};
use e2e::{Cluster, images, stand_in};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use self::stage::Stage;

const NAME: &str = "soak";
/// A shorter run says too little for the documentation.
const SHORTEST_FOR_PAGE: u64 = 30;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long, in minutes.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    duration: Duration,
    admitted: pods::Admitted,
    started: pods::Started,
    trouble: trouble::Made,
    processes: processes::Series,
    logs: logs::Searched,
    /// Sidecars that did not get the last value, or were restarted.
    stuck_sidecars: usize,
}

/// Runs on a cluster of its own, which is removed at the end, and writes docs/soak.md.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let images = images::start_building(images::Profile::Release);
    let moto = stand_in::start_installing_moto();
    let cluster = Cluster::up(NAME)?;
    let outcome = moto.finish().and_then(|()| {
        cluster.load_images(images)?;
        let stage = Stage::start(&cluster)?;
        let minutes = args.minutes;
        step(&format!("soaking for {minutes} minutes"), || {
            soak(stage, Duration::from_mins(minutes))
        })
    });
    step("removing the cluster", || Cluster::down(NAME))?;
    let outcome = outcome?;
    e2e::progress::print(&page::table(&outcome));
    if args.minutes >= SHORTEST_FOR_PAGE {
        page::write(&outcome)?;
    }
    let failures = outcome.failures();
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

fn soak(stage: Stage, duration: Duration) -> anyhow::Result<Outcome> {
    let runtime = Runtime::new()?;
    let stage = Arc::new(stage);
    runtime.block_on(async {
        let client = stage.kubectl.client().await?;
        let end = Instant::now() + duration;
        let (admitted, pods, trouble, processes, logs) = tokio::try_join!(
            pods::admit(client.clone(), end),
            pods::start(client.clone(), end),
            trouble::make(Arc::clone(&stage), client.clone(), end),
            processes::watch(stage.watched.clone(), end),
            logs::search(client.clone(), end),
        )?;
        line("    the time is over: a last value, without faults");
        let stuck_sidecars = stage.stuck_sidecars().await?;
        Ok(Outcome {
            duration,
            admitted,
            started: pods,
            trouble,
            processes,
            logs,
            stuck_sidecars,
        })
    })
}

impl Outcome {
    /// What must not be.
    fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut none = |count: usize, what: &str| {
            if count > 0 {
                failures.push(format!("{count} {what}"));
            }
        };
        none(self.admitted.bare, "pods were bare");
        none(self.admitted.stuck, "pods were not admitted in time");
        none(self.started.stuck, "pods did not end in time");
        none(self.stuck_sidecars, "sidecars are stuck");
        none(self.logs.found + self.started.leaks, "logs had a secret");
        none(self.processes.gone, "watched processes ended");
        for growth in self.processes.growths() {
            if !growth.is_flat() {
                failures.push(format!("{growth}"));
            }
        }
        if self.admitted.injected == 0 || self.started.ended == 0 || self.logs.lines == 0 {
            failures.push("nothing happened".to_owned());
        }
        failures
    }
}
