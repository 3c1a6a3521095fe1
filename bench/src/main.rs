//! `make bench`: measures what users judge the injector and the webhook by, each figure beside a baseline of the same run,
//! and writes docs/performance.md.
//!
//! | module | holds |
//! |---|---|
//! | [`files`] | time to files, against the floor and a serial fetch |
//! | [`cost`] | the injector's own cost |
//! | [`calls`] | calls to AWS |
//! | [`admission`] | what an admission takes, against an echo |
//! | [`pods`] | pod start, against a bare init container |
//! | [`scale`] | many pods at once, many sidecars |
//! | [`page`] | docs/performance.md |
//! | [`report`], [`statistics`], [`machine`] | its tables, figures and facts |
//! | [`stage`], [`class`], [`cluster`] | what is measured: AWS, a class, a cluster |
//! | [`serial`], [`echo`], [`load`], [`measured`] | what measures, and the baselines |

mod admission;
mod calls;
mod class;
mod cluster;
mod cost;
mod echo;
mod files;
mod load;
mod machine;
mod measured;
mod page;
mod pods;
mod report;
mod scale;
mod serial;
mod stage;
mod statistics;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use cluster::World;
use stage::Stage;

/// Measures, and prints tables.
#[derive(Debug, Parser)]
struct Args {
    /// Only these sections; without it all, and docs/performance.md is written.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    #[command(subcommand)]
    helper: Option<Helper>,
}

/// A part of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    Files,
    Cost,
    Calls,
    Admission,
    Pods,
    Scale,
}

/// What the benchmarks start this program for.
#[derive(Debug, Subcommand)]
enum Helper {
    /// Serves AWS, 20 ms away, with so many secrets until it is ended: for a profiler.
    Stage {
        /// How many.
        secrets: usize,
    },
    /// Fetches secrets one after the other.
    #[command(hide = true)]
    Serial(serial::Args),
    /// Answers with what it is sent.
    #[command(hide = true)]
    Echo(echo::Args),
    /// Sends a byte to an address.
    #[command(hide = true)]
    Connect {
        /// The address.
        address: SocketAddr,
    },
    /// Runs a program, and says what it used.
    #[command(hide = true)]
    Measured(measured::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.helper {
        Some(Helper::Stage { secrets }) => {
            Stage::start(files::DISTANCE, *secrets, 0).and_then(|stage| stage.hold(*secrets, 0))
        }
        Some(Helper::Serial(args)) => serial::run(args),
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
    let mut plot = None;
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
            plot = Some(svg);
        }
        if wanted(Section::Admission) {
            sections.push(admission::measure(&world)?);
        }
    }
    for section in &sections {
        e2e::progress::print(&section.to_string());
    }
    match plot {
        Some(plot) if only.is_empty() => page::write(&sections, &plot),
        _ => Ok(()),
    }
}
