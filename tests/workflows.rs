//! The GitHub workflows are valid.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

use std::process::Command;

use e2e::command::run;
use e2e::{go, project};

#[test]
fn actionlint_finds_no_mistake() {
    let program = go::tool(
        "tests/actionlint",
        "github.com/rhysd/actionlint",
        "cmd/actionlint",
    );
    // The checks of shell scripts need programs that may not be installed.
    let mut actionlint = Command::new(program.unwrap());
    actionlint.args(["-shellcheck=", "-pyflakes="]);
    let found = run(actionlint.current_dir(project::root()));
    assert!(found.is_ok(), "{:#}", found.unwrap_err());
}
