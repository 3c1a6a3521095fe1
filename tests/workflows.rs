//! The GitHub workflows are valid.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::command::run;
use e2e::{go, project};

fn actionlint(folder: &Path) -> anyhow::Result<String> {
    let program = go::tool("github.com/rhysd/actionlint", "cmd/actionlint");
    // The checks of shell scripts need programs that may not be installed.
    let mut actionlint = Command::new(program?);
    actionlint.args(["-shellcheck=", "-pyflakes="]);
    run(actionlint.current_dir(folder))
}

#[test]
fn actionlint_finds_no_mistake() {
    let found = actionlint(&project::root());
    assert!(found.is_ok(), "{:#}", found.unwrap_err());
}

/// The action, and its version, of a line like `uses: actions/checkout@COMMIT # v6.0.2`.
fn pinned(line: &str) -> Option<(&str, &str)> {
    let (action, pin) = line.split_once('@')?;
    let (commit, version) = pin.split_once(" # v")?;
    let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then_some((action, version))
}

/// actionlint knows the inputs of actions by their versions, not by their commits.
#[test]
fn actions_are_pinned_by_commit_and_have_the_inputs_of_their_versions() {
    let copy = project::target().join("workflows");
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir_all(copy.join(".git")).unwrap();
    fs::create_dir_all(copy.join(".github/workflows")).unwrap();
    let mut pins = 0;
    for entry in fs::read_dir(project::root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let mut by_version = Vec::new();
        for line in fs::read_to_string(&path).unwrap().lines() {
            if line.contains("uses: ") && !line.contains("uses: ./") {
                let (action, version) =
                    pinned(line).unwrap_or_else(|| panic!("not pinned: {line}"));
                let major = version.split('.').next().unwrap();
                by_version.push(format!("{action}@v{major}"));
                pins += 1;
            } else {
                by_version.push(line.to_owned());
            }
        }
        let name = path.file_name().unwrap();
        fs::write(
            copy.join(".github/workflows").join(name),
            by_version.join("\n"),
        )
        .unwrap();
    }
    assert!(pins > 0);
    let found = actionlint(&copy);
    assert!(found.is_ok(), "{:#}", found.unwrap_err());
}
