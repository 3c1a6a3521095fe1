//! `aws-secrets-injector`: fetches the secrets of a pod's `SecretProviderClass`es and writes them as files.

use std::process::ExitCode;

use aws_secrets_injector::{Args, run};
use clap::Parser as _;

fn main() -> ExitCode {
    let args = Args::parse();
    args.start_logging();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last lines of the log become the container's termination message, so they are the error alone.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
