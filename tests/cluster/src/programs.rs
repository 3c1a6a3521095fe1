//! Programs built from Go modules, once per version: those of Kubernetes, and those needed to run a cluster.
//!
//! Those of Kubernetes are one program, which runs as the one that its name says: `programs/kubernetes`.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

use crate::progress::step;
use crate::{go, project};

const KUBERNETES: &str = "k8s.io/kubernetes";
const KIND: &str = "sigs.k8s.io/kind";
const ETCD: &str = "go.etcd.io/etcd/server/v3";
const API_SERVER: &str = "kube-apiserver";

/// A program of a node, and its Go package.
type Program = (&'static str, &'static str);

/// All Kubernetes programs but kubectl.
const ALL_IN_ONE: Program = ("kubernetes", "./kubernetes");
/// The names under which it runs.
const NAMES: [&str; 6] = [
    API_SERVER,
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubeadm",
];
const KUBECTL: Program = ("kubectl", "k8s.io/kubernetes/cmd/kubectl");
const KIND_PROGRAM: Program = ("kind", KIND);
const ETCD_PROGRAM: Program = ("etcd", ETCD);
/// containerd, its client and its shim.
const CONTAINERD_PROGRAMS: [Program; 3] = [
    (
        "containerd",
        "github.com/containerd/containerd/v2/cmd/containerd",
    ),
    ("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
    (
        "containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    ),
];

/// The sources of the programs, besides the checksums.
const SOURCES: [&str; 2] = [
    include_str!("../programs/go.mod"),
    include_str!("../programs/kubernetes/main.go"),
];

/// Several threads may need a program at the same time: one builds it.
static BUILDING: Mutex<()> = Mutex::new(());

/// The folder with the Go module that pins the versions of Kubernetes, kind, and a node's other programs.
fn source() -> PathBuf {
    project::root().join("tests/cluster/programs")
}

/// The folder with the Go module that pins the oldest Kubernetes version that the chart supports.
fn oldest_source() -> PathBuf {
    project::root().join("tests/oldest")
}

/// The version of Kubernetes in our own node image, and of kubectl.
pub(super) fn kubernetes_version() -> anyhow::Result<String> {
    go::required(&source(), KUBERNETES)
}

/// kind's version.
pub(super) fn kind_version() -> anyhow::Result<String> {
    go::required(&source(), KIND)
}

/// A hash of all versions.
pub(super) fn versions() -> u64 {
    let mut hasher = DefaultHasher::new();
    SOURCES.hash(&mut hasher);
    hasher.finish()
}

/// The folder with all programs of a node, and kind and kubectl. They share most of their packages, so they are built together.
pub(super) fn all() -> anyhow::Result<PathBuf> {
    let mut all = vec![ALL_IN_ONE, KUBECTL, KIND_PROGRAM, ETCD_PROGRAM];
    all.extend(CONTAINERD_PROGRAMS);
    built(&all)
}

/// The kubectl of this version, for any cluster.
pub(crate) fn kubectl() -> anyhow::Result<PathBuf> {
    one(KUBECTL)
}

/// kind.
pub(super) fn kind() -> anyhow::Result<PathBuf> {
    one(KIND_PROGRAM)
}

/// etcd.
pub fn etcd() -> anyhow::Result<PathBuf> {
    one(ETCD_PROGRAM)
}

/// containerd and its helpers.
pub(super) fn containerd() -> [&'static str; 3] {
    CONTAINERD_PROGRAMS.map(|(name, _)| name)
}

/// The API server of the oldest Kubernetes version that the chart supports.
pub fn oldest_api_server() -> anyhow::Result<PathBuf> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let source = oldest_source();
    let version = go::required(&source, KUBERNETES)?;
    let folder = project::target().join("kubernetes").join(&version);
    let program = folder.join(API_SERVER);
    if !program.exists() {
        fs::create_dir_all(&folder)?;
        step(&format!("building {API_SERVER} {version} (once)"), || {
            let package = format!("{KUBERNETES}/cmd/{API_SERVER}");
            go::build(&source, &package, &kubernetes_flags(&version), &program)
        })?;
    }
    Ok(program)
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

fn one(program: Program) -> anyhow::Result<PathBuf> {
    Ok(built(&[program])?.join(program.0))
}

/// The folder with these programs. Builds those that are missing.
fn built(programs: &[Program]) -> anyhow::Result<PathBuf> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let version = kubernetes_version()?;
    let folder = project::target()
        .join("kubernetes")
        .join(format!("{version}-{:08x}", versions() >> 32));
    let missing: Vec<Program> = programs
        .iter()
        .copied()
        .filter(|(name, _)| !folder.join(name).exists())
        .collect();
    if missing.is_empty() {
        return Ok(folder);
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let what = format!(
        "building for Kubernetes {version} (once): {}",
        names.join(", ")
    );
    step(&what, || {
        let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
        go::build_all(&source(), &packages, &kubernetes_flags(&version), &folder)
    })?;
    // The last element of this path is only a version.
    let etcd = folder.join("server");
    if etcd.exists() {
        fs::rename(&etcd, folder.join(ETCD_PROGRAM.0)).context("etcd")?;
    }
    Ok(folder)
}

/// Puts the Kubernetes programs into a folder: one file, and a link for each name.
pub(super) fn install_kubernetes(programs: &Path, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let (file, _) = ALL_IN_ONE;
    fs::copy(programs.join(file), folder.join(file)).context(file)?;
    for name in NAMES {
        symlink(file, folder.join(name)).context(name)?;
    }
    Ok(())
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
