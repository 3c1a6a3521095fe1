//! `make bench`: measures the injector and the webhook, compares each figure with a baseline of the same run, and writes
//! docs/performance.md.
//!
//! | module | contents |
//! |---|---|
//! | [`files`] | fetch time, compared with the network minimum and a serial fetch |
//! | [`cost`] | the injector's resources |
//! | [`calls`] | calls to AWS |
//! | [`admission`] | admission latency, compared with an echo server |
//! | [`review`], [`hostile`] | the reviews that it sends |
//! | [`pods`] | pod start, compared with a trivial init container |
//! | [`scale`] | many pods at once, many sidecars |
//! | [`mass_start`] | many pods against the quotas of AWS, simulated |
//! | [`soak`] | `make soak`: hours of load and trouble |
//! | [`page`] | docs/performance.md |
//! | [`report`], [`plot`], [`statistics`], [`machine`] | tables, plots, statistics, and the machine's description |
//! | [`stage`], [`class`], [`cluster`] | the environment: AWS, a class, a cluster |
//! | [`floor`], [`serial`], [`echo`], [`load`], [`measured`] | baselines, load generator, and resource measurement |

mod admission;
mod calls;
mod class;
mod cluster;
mod cost;
mod echo;
mod files;
mod floor;
mod hostile;
mod load;
mod machine;
mod mass_start;
mod measured;
mod page;
mod plot;
mod pods;
mod report;
mod review;
mod scale;
mod serial;
mod soak;
mod stage;
mod statistics;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use cluster::World;
use stage::Stage;

/// Measures and prints tables.
#[derive(Debug, Parser)]
struct Args {
    /// Measure only these sections. The default is all sections, which also writes docs/performance.md.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    #[command(subcommand)]
    helper: Option<Helper>,
}

/// A section of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    Files,
    Cost,
    Calls,
    Admission,
    Pods,
    Scale,
    MassStart,
}

/// Programs that the benchmarks start.
#[derive(Debug, Subcommand)]
enum Helper {
    /// Serves AWS, 20 ms away, until it is stopped. Use it with a profiler.
    Stage {
        /// Number of secrets.
        secrets: usize,
    },
    /// Soaks a cluster for hours and writes docs/soak.md.
    Soak(soak::Args),
    /// Fetches one secret after the other.
    #[command(hide = true)]
    Serial(serial::Args),
    /// Fetches secrets without the SDK.
    #[command(hide = true)]
    Floor(floor::Args),
    /// Answers requests with their body.
    #[command(hide = true)]
    Echo(echo::Args),
    /// Sends a byte to an address.
    #[command(hide = true)]
    Connect {
        /// The address.
        address: SocketAddr,
    },
    /// Runs a program and prints its resource use.
    #[command(hide = true)]
    Measured(measured::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.helper {
        Some(Helper::Stage { secrets }) => {
            Stage::start(files::DISTANCE, *secrets, 0).and_then(|stage| stage.hold(*secrets, 0))
        }
        Some(Helper::Soak(args)) => soak::run(args),
        Some(Helper::Serial(args)) => serial::run(args),
        Some(Helper::Floor(args)) => floor::run(args),
        Some(Helper::Echo(args)) => echo::run(args),
        Some(Helper::Connect { address }) => cost::connect(*address),
        Some(Helper::Measured(args)) => measured::run(args),
        None => measure(&args.only),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(only: &[Section]) -> anyhow::Result<()> {
    let wanted = |section| only.is_empty() || only.contains(&section);
    let mut sections = Vec::new();
    let mut plots = Vec::new();
    if wanted(Section::Files) {
        sections.push(files::measure()?);
    }
    if wanted(Section::Cost) {
        sections.push(cost::measure()?);
    }
    if wanted(Section::Calls) {
        sections.push(calls::measure()?);
    }
    let on_cluster = [Section::Admission, Section::Pods, Section::Scale];
    if on_cluster.into_iter().any(wanted) {
        let world = World::start()?;
        if wanted(Section::Pods) {
            sections.push(pods::measure(&world)?);
        }
        if wanted(Section::Scale) {
            let (section, svg) = scale::measure(&world)?;
            sections.push(section);
            plots.push(("sidecars.svg", svg));
        }
        if wanted(Section::Admission) {
            sections.push(admission::measure(&world)?);
        }
    }
    if wanted(Section::MassStart) {
        let (section, svg) = mass_start::measure()?;
        sections.push(section);
        plots.push(("mass-start.svg", svg));
    }
    for section in &sections {
        e2e::progress::print(&section.to_string());
    }
    if only.is_empty() {
        page::write(&sections, &plots)?;
    }
    Ok(())
}
