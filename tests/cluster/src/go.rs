//! Builds programs from Go modules, which pin their versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::command::run;
use crate::progress::step;
use crate::project;

/// The Go module with the tests' programs that are not Kubernetes'.
pub const PROGRAMS: &str = "tests/go";

/// Tests run in parallel: one builds a program, the others wait.
static BUILDING: Mutex<()> = Mutex::new(());

/// The version of a module, such as `v1.36.3`, that the `go.mod` of a folder requires.
pub fn required(folder: &Path, module: &str) -> anyhow::Result<String> {
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

/// Builds a package in the folder of the module that pins its version. An interrupted build leaves no partial program under
/// the final name.
pub fn build(folder: &Path, package: &str, ldflags: &str, program: &Path) -> anyhow::Result<()> {
    let unfinished = program.with_extension(std::process::id().to_string());
    let mut go = command(folder, ldflags);
    run(go.arg("-o").arg(&unfinished).arg(package))?;
    fs::rename(&unfinished, program).with_context(|| program.display().to_string())
}

/// The version of a module in [`PROGRAMS`].
pub fn version(module: &str) -> anyhow::Result<String> {
    required(&project::root().join(PROGRAMS), module)
}

/// A program of a module in [`PROGRAMS`], built once per version.
pub fn tool(module: &str, package: &str) -> anyhow::Result<PathBuf> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let source = project::root().join(PROGRAMS);
    let version = required(&source, module)?;
    let name = package.rsplit('/').next().unwrap_or(package);
    let folder = project::target().join(name);
    fs::create_dir_all(&folder)?;
    let program = folder.join(format!("{name}-{version}"));
    if !program.exists() {
        step(&format!("building {name} {version} (once)"), || {
            build(&source, &format!("{module}/{package}"), "-s -w", &program)
        })?;
    }
    Ok(program)
}

/// A program of the project's own that is made of another project's packages: `folder` is below the Go module `source`.
///
/// # Errors
///
/// When it cannot be built.
pub fn own_tool(source: &str, folder: &str) -> anyhow::Result<PathBuf> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let programs = project::target().join("go");
    fs::create_dir_all(&programs)?;
    let program = programs.join(folder);
    build(
        &project::root().join(source),
        &format!("./{folder}"),
        "-s -w",
        &program,
    )?;
    Ok(program)
}

/// Builds several packages into a folder, each under its package's name. An existing program is complete.
pub fn build_all(
    source: &Path,
    packages: &[&str],
    ldflags: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!("unfinished-{}", std::process::id()));
    let mut go = command(source, ldflags);
    // The trailing slash marks a folder.
    go.arg("-o").arg(unfinished.join("")).args(packages);
    let built = run(&mut go);
    for program in fs::read_dir(&unfinished).into_iter().flatten().flatten() {
        fs::rename(program.path(), folder.join(program.file_name()))
            .with_context(|| program.path().display().to_string())?;
    }
    let _ = fs::remove_dir(&unfinished);
    built.map(drop)
}

/// The compiler is itself a Go program that lives for seconds: without garbage collection below a limit of memory it takes a
/// quarter less processor time.
fn go() -> Command {
    let mut go = Command::new("go");
    go.env("CGO_ENABLED", "0")
        .env("GOGC", "off")
        .env("GOMEMLIMIT", "2GiB");
    go
}

/// `go build` in the folder of the module that pins versions. Without `-trimpath`, modules share what they compile of the same
/// version: with it, the path in a package depends on the module that requires it.
fn command(source: &Path, ldflags: &str) -> Command {
    let mut go = go();
    go.current_dir(source).args([
        "build",
        "-mod=readonly",
        // The linker strips debug information anyway; skipping it saves compile time.
        "-gcflags=all=-dwarf=false",
        "-ldflags",
        ldflags,
    ]);
    go
}

/// The folder with the files of a module, `MODULE@VERSION`, downloaded if needed.
pub fn files(module: &str) -> anyhow::Result<PathBuf> {
    let printed = run(Command::new("go").args(["mod", "download", "-json", module]))?;
    let answer: Value = serde_json::from_str(&printed).context("go did not print JSON")?;
    let folder = answer["Dir"].as_str().unwrap_or_default();
    ensure!(
        !folder.is_empty(),
        "go did not find the files of {module}: {printed}"
    );
    Ok(folder.into())
}
