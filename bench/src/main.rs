//! `make bench`: measures what users judge the injector and the webhook by, each figure beside a baseline of the same run,
//! and writes docs/performance.md.
//!
//! | module | holds |
//! |---|---|
//! | [`files`] | time to files, against the floor and a serial fetch |
//! | [`report`] | the page |

mod class;
mod files;
mod measured;
mod report;
mod serial;
mod stage;
mod statistics;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use stage::Stage;

/// Measures, and prints a table.
#[derive(Debug, Parser)]
struct Args {
    /// Only these sections; without it all, which also writes docs/performance.md.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    #[command(subcommand)]
    helper: Option<Helper>,
}

/// A part of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    Files,
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
    if wanted(Section::Files) {
        sections.push(files::measure()?);
    }
    for section in &sections {
        e2e::progress::line(&section.to_string());
    }
    Ok(())
}
