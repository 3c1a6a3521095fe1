//! Builds the Kubernetes programs from their Go module, once for each version.

use std::fs;
use std::path::{Path, PathBuf};

use crate::progress::step;
use crate::{go, project};

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

/// The folder with all programs.
pub(super) fn build() -> anyhow::Result<PathBuf> {
    folder_with(&PROGRAMS)
}

/// The kubectl of this version.
pub(crate) fn kubectl() -> anyhow::Result<PathBuf> {
    let program = "kubectl";
    Ok(folder_with(&[program])?.join(program))
}

/// The folder with these programs, built where they are not there yet.
fn folder_with(programs: &[&str]) -> anyhow::Result<PathBuf> {
    let version = go::required(&source(), MODULE)?;
    let folder = project::target().join("kubernetes").join(&version);
    fs::create_dir_all(&folder)?;
    let missing: Vec<_> = programs
        .iter()
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
    ];
    let package = format!("{MODULE}/cmd/{program}");
    go::build(&source(), &package, &flags.join(" "), &folder.join(program))
}
