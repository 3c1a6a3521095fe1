//! What is built from Go modules, which pin its version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::command::run;

/// The version of a module, such as `v1.36.3`, that the `go.mod` of a folder requires.
pub(crate) fn required(folder: &Path, module: &str) -> anyhow::Result<String> {
    let file = folder.join("go.mod");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let mut words = text.lines().map(|line| {
        line.trim()
            .trim_start_matches("require ")
            .split_whitespace()
    });
    let version =
        words.find_map(|mut words| (words.next() == Some(module)).then(|| words.next())?);
    Ok(version
        .with_context(|| format!("{} does not require {module}", file.display()))?
        .to_owned())
}

/// Builds a package, in the folder of the module that pins its version. A build that is interrupted leaves no half a program
/// under the final name.
pub(crate) fn build(
    folder: &Path,
    package: &str,
    ldflags: &str,
    program: &Path,
) -> anyhow::Result<()> {
    let unfinished = program.with_extension(std::process::id().to_string());
    let mut go = Command::new("go");
    go.current_dir(folder)
        .env("CGO_ENABLED", "0")
        .args(["build", "-mod=readonly", "-trimpath", "-ldflags", ldflags])
        .arg("-o")
        .arg(&unfinished)
        .arg(package);
    run(&mut go)?;
    fs::rename(&unfinished, program).with_context(|| program.display().to_string())
}

/// The folder with the files of a module, `MODULE@VERSION`, fetched where it is not there yet.
pub(crate) fn files(module: &str) -> anyhow::Result<PathBuf> {
    let printed = run(Command::new("go").args(["mod", "download", "-json", module]))?;
    let answer: Value = serde_json::from_str(&printed).context("go printed no JSON")?;
    let folder = answer["Dir"].as_str().unwrap_or_default();
    ensure!(!folder.is_empty(), "go has no files of {module}: {printed}");
    Ok(folder.into())
}
