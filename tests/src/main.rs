//! `e2e`: the demo, and what it is made of.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::{demo, helm, stand_in};

/// Runs the demo on a cluster of its own.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a cluster and a stand-in for AWS, installs everything, and shows a pod's secrets.
    Demo,
    /// Removes what the demo started.
    DemoDown,
    /// Writes manifests/install.yaml and manifests/crd.yaml anew, from the chart.
    Manifests,
    /// Serves the stand-in for AWS, for the demo's cluster.
    #[command(hide = true)]
    AwsStandIn(stand_in::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Demo => demo::up(),
        Command::DemoDown => demo::down(),
        Command::Manifests => helm::render(),
        Command::AwsStandIn(args) => stand_in::serve(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
