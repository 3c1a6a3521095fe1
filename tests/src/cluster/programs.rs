//! Programs built from Go modules, once per version: those of Kubernetes, and those needed to run a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::progress::step;
use crate::{go, project};

const KUBERNETES: &str = "k8s.io/kubernetes";
const KUBERNETES_PROGRAMS: [&str; 7] = [
    API_SERVER,
    "kubelet",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubeadm",
    "kubectl",
];
const API_SERVER: &str = "kube-apiserver";
const KIND: &str = "sigs.k8s.io/kind";
const ETCD: &str = "go.etcd.io/etcd/server/v3";
const CONTAINERD: &str = "github.com/containerd/containerd/v2";
/// The programs of containerd: the daemon, its client and the shim.
const CONTAINERD_PROGRAMS: [&str; 3] = ["containerd", "ctr", "containerd-shim-runc-v2"];

/// Several threads may need a program at the same time: one builds it.
static BUILDING: Mutex<()> = Mutex::new(());

/// The folder with the Go module that pins the Kubernetes version.
fn kubernetes_source() -> PathBuf {
    project::root().join("tests/kubernetes")
}

/// The folder with the Go module that pins the oldest Kubernetes version that the chart supports.
fn oldest_source() -> PathBuf {
    project::root().join("tests/oldest")
}

/// The folder with the Go module that pins the versions of kind and of a node's other programs.
fn kind_source() -> PathBuf {
    project::root().join("tests/kind")
}

/// The version of Kubernetes in our own node image, and of kubectl.
pub(super) fn kubernetes_version() -> anyhow::Result<String> {
    go::required(&kubernetes_source(), KUBERNETES)
}

/// kind's version.
pub(super) fn kind_version() -> anyhow::Result<String> {
    go::required(&kind_source(), KIND)
}

/// etcd's version, and containerd's.
pub(super) fn node_versions() -> anyhow::Result<[String; 2]> {
    let source = kind_source();
    Ok([
        go::required(&source, ETCD)?,
        go::required(&source, CONTAINERD)?,
    ])
}

/// The folder with all Kubernetes programs.
pub(super) fn kubernetes() -> anyhow::Result<PathBuf> {
    kubernetes_with(&kubernetes_source(), &KUBERNETES_PROGRAMS)
}

/// The kubectl of this version, for any cluster.
pub(crate) fn kubectl() -> anyhow::Result<PathBuf> {
    let program = "kubectl";
    Ok(kubernetes_with(&kubernetes_source(), &[program])?.join(program))
}

/// The API server of the oldest Kubernetes version that the chart supports.
pub fn oldest_api_server() -> anyhow::Result<PathBuf> {
    Ok(kubernetes_with(&oldest_source(), &[API_SERVER])?.join(API_SERVER))
}

/// kind.
pub(super) fn kind() -> anyhow::Result<PathBuf> {
    with_kind(KIND, KIND, "kind")
}

/// etcd.
pub fn etcd() -> anyhow::Result<PathBuf> {
    with_kind(ETCD, ETCD, "etcd")
}

/// containerd and its helpers.
pub(super) fn containerd() -> anyhow::Result<Vec<PathBuf>> {
    let mut programs = Vec::new();
    for name in CONTAINERD_PROGRAMS {
        let package = format!("{CONTAINERD}/cmd/{name}");
        programs.push(with_kind(CONTAINERD, &package, name)?);
    }
    Ok(programs)
}

/// The folder with kind's files for a node image.
pub(super) fn kind_files() -> anyhow::Result<PathBuf> {
    let module = format!("{KIND}@{}", kind_version()?);
    Ok(go::files(&module)?.join("images/base/files"))
}

/// The default node image of this version of kind.
pub(super) fn kind_node_image() -> anyhow::Result<String> {
    let module = format!("{KIND}@{}", kind_version()?);
    let file = go::files(&module)?.join("pkg/apis/config/defaults/image.go");
    let text = fs::read_to_string(&file)?;
    let image = text.split('"').nth(1).unwrap_or_default();
    anyhow::ensure!(
        image.starts_with("kindest/"),
        "no image in {}",
        file.display()
    );
    Ok(image.to_owned())
}

/// The folder with these programs of the Kubernetes version that a Go module pins. Missing ones are built together, because they
/// share most of their code.
fn kubernetes_with(source: &Path, programs: &[&str]) -> anyhow::Result<PathBuf> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let version = go::required(source, KUBERNETES)?;
    let folder = project::target().join("kubernetes").join(&version);
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| !folder.join(program).exists())
        .collect();
    if missing.is_empty() {
        return Ok(folder);
    }
    let packages: Vec<String> = missing
        .iter()
        .map(|program| format!("{KUBERNETES}/cmd/{program}"))
        .collect();
    let names = missing.join(", ");
    step(
        &format!("building Kubernetes {version} (once): {names}"),
        || {
            let flags = kubernetes_flags(&version);
            go::build_all(source, &packages, &flags, &folder)
        },
    )?;
    Ok(folder)
}

fn kubernetes_flags(version: &str) -> String {
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let set = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
    [
        "-s -w".to_owned(),
        set("gitVersion", version),
        set("gitMajor", major),
        set("gitMinor", minor),
    ]
    .join(" ")
}

/// A program whose version the Go module in `tests/kind` pins.
fn with_kind(module: &str, package: &str, name: &str) -> anyhow::Result<PathBuf> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let version = go::required(&kind_source(), module)?;
    let folder = project::target()
        .join("kind")
        .join(format!("{name}-{version}"));
    let program = folder.join(name);
    if !program.exists() {
        fs::create_dir_all(&folder)?;
        step(&format!("building {name} {version} (once)"), || {
            go::build(&kind_source(), package, "-s -w", &program)
        })?;
    }
    Ok(program)
}
