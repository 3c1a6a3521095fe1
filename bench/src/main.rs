//! `make bench`: measures the injector and the webhook beside a floor or a peer, and writes docs/performance.md.
//!
//! | module | contents |
//! |---|---|
//! | [`pods`], [`fetch`] | how long a pod waits, and what a fetch costs |
//! | [`admission`] | what the webhook takes |
//! | [`quotas`] | how many pods AWS's quotas allow, simulated |
//! | [`soak`] | `make soak`: hours of load and trouble |
//! | [`page`], [`figures`] | the pages, and the figures in them |
//! | [`stage`], [`world`] | the environment: AWS, a cluster |
//! | [`floor`], [`serial`], [`parse_only`] | what the programs are compared with |
//! | [`http`], [`process`] | requests over TLS, and the resources of processes |

mod admission;
mod fetch;
mod figures;
mod floor;
mod http;
mod page;
mod parse_only;
mod pods;
mod process;
mod quotas;
mod serial;
mod soak;
mod stage;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use figures::Figures;
use world::World;

/// Measures, and writes docs/performance.md.
#[derive(Debug, Parser)]
struct Args {
    /// Measure only these sections, and print their figures instead of writing the page.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    Pods,
    Fetch,
    Admission,
    Quotas,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Soaks a cluster for hours and writes docs/soak.md.
    Soak(soak::Args),
    /// Fetches secrets one after the other.
    #[command(hide = true)]
    Serial { secrets: usize },
    /// Fetches secrets without the SDK.
    #[command(hide = true)]
    Floor { secrets: usize },
    /// Runs a program and prints what it used.
    #[command(hide = true)]
    Measured(process::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.other {
        Some(Other::Soak(args)) => soak::run(args),
        Some(Other::Serial { secrets }) => block_on(serial::fetch(*secrets)),
        Some(Other::Floor { secrets }) => block_on(floor::fetch(*secrets)),
        Some(Other::Measured(args)) => process::run(args),
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

fn block_on(fetch: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(fetch)
}

fn measure(only: &[Section]) -> anyhow::Result<()> {
    let wanted = |section| only.is_empty() || only.contains(&section);
    let mut figures = Figures::default();
    if wanted(Section::Fetch) {
        fetch::measure(&mut figures)?;
    }
    if wanted(Section::Quotas) {
        quotas::measure(&mut figures)?;
    }
    if wanted(Section::Pods) || wanted(Section::Admission) {
        let world = World::start("bench", &stage::secrets(4))?;
        world.aws.stand_in.keep_answers();
        if wanted(Section::Pods) {
            pods::measure(&world, &mut figures)?;
        }
        if wanted(Section::Admission) {
            admission::measure(&world, &mut figures)?;
        }
    }
    if only.is_empty() {
        return page::PERFORMANCE.write(figures);
    }
    e2e::progress::print(&figures.to_string());
    Ok(())
}
