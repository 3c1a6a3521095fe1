//! `aws-secrets-webhook`: the mutating admission webhook that adds the injector to annotated pods.

use std::process::ExitCode;

use aws_secrets_webhook::{Args, run};
use clap::Parser as _;

fn main() -> ExitCode {
    let args = Args::parse();
    args.start_logging();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
