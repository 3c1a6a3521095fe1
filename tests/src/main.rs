//! `e2e`: the demo and its parts.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::{demo, helm, stand_in, upgrade};

/// Runs the demo on its own cluster.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a cluster and the AWS stand-in, installs everything, and prints a pod's secrets.
    Demo,
    /// Removes the demo.
    DemoDown,
    /// Renders manifests/install.yaml, manifests/crd.yaml and the chart's README from the chart.
    Manifests,
    /// Upgrades from an earlier commit's chart, and back, while pods are created.
    Upgrade(upgrade::Args),
    /// Serves the AWS stand-in for the demo's cluster.
    #[command(hide = true)]
    AwsStandIn(stand_in::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Demo => demo::up(),
        Command::DemoDown => demo::down(),
        Command::Manifests => helm::render(),
        Command::Upgrade(args) => upgrade::check(&args),
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
