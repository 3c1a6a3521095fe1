//! `make soak`: the installation under load and trouble for hours. Pods are created and deleted, secrets change, AWS fails,
//! replicas are killed and certificates expire. At the end nothing may be bare, stuck, larger than before, or in a log.
//!
//! | module | contents |
//! |---|---|
//! | `pods` | pods that come and go |
//! | `sidecars` | pods with sidecars, which stay |
//! | `trouble` | new values, faults of AWS, killed replicas |
//! | `growth` | memory and file handles over time |
//! | `logs` | the search for secrets in logs |

mod growth;
mod logs;
mod pods;
mod sidecars;
mod trouble;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::install;
use e2e::progress::{line, print, step};
use kube::Client;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::figures::Figures;
use crate::page;
use crate::world::World;

/// A shorter run says too little for the documentation.
const SHORTEST_FOR_PAGE: u64 = 30;
/// What every value begins with. It may be in no log.
const MARK: &str = "soaked-value-";
/// The secrets of the class.
const SECRETS: [&str; 2] = ["soak/first", "soak/second"];
/// The first one's file.
const FILE: &str = "/mnt/secrets-store/soak_first";
/// Replicas of the webhook.
const REPLICAS: usize = 3;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long, in minutes.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

/// What must happen.
const HAPPENS: [&str; 7] = [
    "injected", "ended", "values", "faults", "calls", "kills", "lines",
];
/// What may happen.
const MAY_HAPPEN: [&str; 2] = ["repeated", "refused"];
/// What must not happen.
const NEVER: [&str; 5] = [
    "bare",
    "not admitted",
    "not ended",
    "stuck sidecars",
    "secrets in logs",
];

/// Everything that runs at the same time.
struct Soak {
    world: World,
    client: Client,
    /// Counts of what happened, by their names on the page.
    counts: Mutex<BTreeMap<&'static str, usize>>,
    end: Instant,
    /// The name of a replica that is not killed, so that its memory can be watched.
    kept: String,
}

impl Soak {
    fn add(&self, name: &'static str, count: usize) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name).or_default() += count;
    }

    /// The figures of the page, and what went wrong.
    fn outcome(&self) -> (Figures, Vec<String>) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut figures, mut failures) = (Figures::default(), Vec::new());
        for name in [&HAPPENS[..], &MAY_HAPPEN, &NEVER].concat() {
            let count = counts.get(name).copied().unwrap_or_default();
            figures.add(name, count);
            let happened = count > 0;
            if HAPPENS.contains(&name) && !happened || NEVER.contains(&name) && happened {
                failures.push(format!("{count} {name}"));
            }
        }
        (figures, failures)
    }
}

/// Runs on a cluster of its own, which is removed at the end, and writes docs/soak.md.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let world = World::start("soak", &SECRETS.map(str::to_owned))?;
    step("certificates of 60 seconds", || {
        install::restart_with_lifetimes(&world.kubectl, "120s", "60s", REPLICAS)
    })?;
    step("starting pods with sidecars", || sidecars::start(&world))?;
    let replicas = names(&world, install::NAMESPACE)?;
    let kept = replicas.into_iter().next().context("no replica")?;
    let mut watched = vec![growth::find(growth::WEBHOOK, &kept)?];
    for pod in names(&world, world.name)? {
        watched.push(growth::find(growth::SIDECAR, &pod)?);
    }
    let runtime = Runtime::new()?;
    let soak = Arc::new(Soak {
        client: runtime.block_on(world.kubectl.client())?,
        world,
        counts: Mutex::default(),
        end: Instant::now() + Duration::from_mins(args.minutes),
        kept,
    });
    let all = async {
        let ((), (), (), samples, ()) = tokio::try_join!(
            pods::admit(&soak),
            pods::start(&soak),
            trouble::make(&soak),
            growth::watch(&soak, &watched),
            logs::search(&soak),
        )?;
        line("    the time is over: a last value, without faults");
        sidecars::last_value(&soak).await?;
        Ok(samples)
    };
    let what = format!("soaking for {} minutes", args.minutes);
    let samples = step(&what, || runtime.block_on(all))?;
    let (mut figures, mut failures) = soak.outcome();
    failures.extend(growth::outcome(&mut figures, &samples));
    print(&figures.to_string());
    if args.minutes >= SHORTEST_FOR_PAGE {
        figures.add("minutes", args.minutes);
        figures.add("sidecars", sidecars::COUNT);
        page::SOAK.write(figures)?;
    }
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

fn names(world: &World, namespace: &str) -> anyhow::Result<Vec<String>> {
    let path = "jsonpath={.items[*].metadata.name}";
    let get = ["-n", namespace, "get", "pods", "-o", path];
    let names = world.kubectl.run(&get)?;
    Ok(names.split_whitespace().map(str::to_owned).collect())
}
