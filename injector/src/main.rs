//! `aws-secrets-injector`: fetches the secrets of a pod's `SecretProviderClass`es and writes them as files.

use std::process::ExitCode;

use aws_secrets_injector::{Args, run};
use clap::Parser as _;
use provider_class::printable::printable_lines;

/// Exit status if the command line is wrong, as of most programs.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // The message of a panic can quote a value.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(location) = panic.location() {
            eprintln!("internal error at {location}: please report it");
        }
    }));
    let args = match Args::try_parse() {
        Ok(args) => args,
        // It quotes arguments and environment variables.
        Err(error) if error.use_stderr() => {
            eprintln!("{}", printable_lines(error.to_string().trim_end()));
            return ExitCode::from(USAGE);
        }
        Err(help) => help.exit(),
    };
    match run(&args) {
        Ok(status) => status,
        Err(error) => {
            // The last lines of the log become the container's termination message, so they contain only the error.
            eprintln!("{}", printable_lines(&format!("error: {error:#}")));
            ExitCode::FAILURE
        }
    }
}
