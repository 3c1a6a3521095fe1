//! `aws-secrets-exec`: becomes a container's program, with the environment variables that `aws-secrets-injector` wrote.

use std::process::ExitCode;

use aws_secrets_injector::command_line;
use aws_secrets_injector::exec::{Exec, exec};
use provider_class::printable::printable_lines;

fn main() -> ExitCode {
    let args: Exec = match command_line::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    let error = exec(&args);
    // It becomes the termination message of the container.
    eprintln!("{}", printable_lines(&format!("error: {error}")));
    ExitCode::from(error.exit_status())
}
