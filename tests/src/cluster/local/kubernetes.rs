//! Builds the Kubernetes programs from their Go module, once for each version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::command::run;
use crate::progress::step;
use crate::project;

const MODULE: &str = "k8s.io/kubernetes";
const PROGRAMS: [&str; 6] = [
    "kube-apiserver",
    "kubelet",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubectl",
];

/// The folder with the Go module that pins the version.
fn source() -> PathBuf {
    project::root().join("tests/kubernetes")
}

/// `v1.36.3`, as go.mod says.
fn version() -> anyhow::Result<String> {
    let text = fs::read_to_string(source().join("go.mod")).context("tests/kubernetes/go.mod")?;
    let mut words = text.lines().map(|line| {
        line.trim()
            .trim_start_matches("require ")
            .split_whitespace()
    });
    let version =
        words.find_map(|mut words| (words.next() == Some(MODULE)).then(|| words.next())?);
    Ok(version
        .context("tests/kubernetes/go.mod does not require k8s.io/kubernetes")?
        .to_owned())
}

/// The folder with all programs, built where they are not there yet.
pub(super) fn build() -> anyhow::Result<PathBuf> {
    let version = version()?;
    let folder = project::target().join("kubernetes").join(&version);
    fs::create_dir_all(&folder)?;
    let missing: Vec<_> = PROGRAMS
        .into_iter()
        .filter(|program| !folder.join(program).exists())
        .collect();
    for (number, program) in missing.iter().enumerate() {
        let of = missing.len();
        step(
            &format!(
                "building Kubernetes {version}, once: {program} ({} of {of}; the first takes longest)",
                number + 1
            ),
            || build_one(program, &version, &folder),
        )?;
    }
    Ok(folder)
}

/// The kubectl of this version.
pub(crate) fn kubectl() -> anyhow::Result<PathBuf> {
    Ok(build()?.join("kubectl"))
}

fn build_one(program: &str, version: &str, folder: &Path) -> anyhow::Result<()> {
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let set = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
    let flags = [
        "-s -w".to_owned(),
        set("gitVersion", version),
        set("gitMajor", major),
        set("gitMinor", minor),
    ]
    .join(" ");
    // A build that is interrupted leaves no half a program under the final name.
    let unfinished = folder.join(format!("{program}.{}", std::process::id()));
    let mut go = Command::new("go");
    go.current_dir(source()).env("CGO_ENABLED", "0").args([
        "build",
        "-mod=readonly",
        "-trimpath",
        "-ldflags",
        &flags,
        "-o",
    ]);
    run(go.arg(&unfinished).arg(format!("{MODULE}/cmd/{program}")))?;
    fs::rename(&unfinished, folder.join(program))?;
    Ok(())
}
