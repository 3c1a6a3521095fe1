//! `aws-secrets-injector`: fetches the secrets of a pod's `SecretProviderClass`es and writes them as files.

use std::process::ExitCode;

use aws_secrets_injector::{Args, command_line, run};
use provider_class::printable::printable_lines;

fn main() -> ExitCode {
    let args: Args = match command_line::parse() {
        Ok(args) => args,
        Err(status) => return status,
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
