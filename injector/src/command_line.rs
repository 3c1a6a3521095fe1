//! The start of a program: nothing that it prints steers a terminal or has a value in it.

use std::process::ExitCode;

use clap::Parser;
use provider_class::printable::printable_lines;

/// Exit status if the command line is wrong, as of most programs.
const USAGE: u8 = 2;

/// Parses the command line. From now on, a panic prints its place alone: its message can quote a value.
///
/// # Errors
/// The exit status, if the command line is wrong.
pub fn parse<A: Parser>() -> Result<A, ExitCode> {
    std::panic::set_hook(Box::new(|panic| {
        if let Some(location) = panic.location() {
            eprintln!("internal error at {location}: please report it");
        }
    }));
    A::try_parse().map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        // It quotes arguments and environment variables.
        eprintln!("{}", printable_lines(error.to_string().trim_end()));
        ExitCode::from(USAGE)
    })
}
