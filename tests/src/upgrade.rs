//! `make upgrade FROM=COMMIT`: installs the chart of an earlier commit, upgrades it to this one's and rolls it back, while pods
//! are created continuously. None may be bare or refused, and a pod of the earlier version goes on and is refreshed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::admissions::{Admissions, pod};
use crate::command::run;
use crate::images::{self, APP, Binaries, Profile};
use crate::install::{
    EXAMPLE_SECRETS, NAMESPACE, example_class, service_account, values_of_images, wait_for_crd,
};
use crate::kubectl::Kubectl;
use crate::progress::{line, step};
use crate::stand_in::{Aws, start_installing_moto};
use crate::{Cluster, helm, project};

const NAME: &str = "upgrade";
/// The namespace of the pods.
const PODS: &str = "shop";
const PER_SECOND: u32 = 20;
/// How long pods are still created after an upgrade is complete: the API server may use what it knew for a while.
const AFTERWARDS: Duration = Duration::from_secs(10);

const PREVIOUS_WEBHOOK: &str = "aws-secrets-injector.test/webhook:previous";
const PREVIOUS_INJECTOR: &str = "aws-secrets-injector.test/injector:previous";

/// Options of the command.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The earlier commit.
    from: String,
}

/// Upgrades on a cluster of its own, which is removed at the end.
///
/// # Errors
///
/// When a pod was bare or refused, or when the earlier version's pod is not refreshed.
pub fn check(args: &Args) -> anyhow::Result<()> {
    let previous = step(&format!("building the programs of {}", args.from), || {
        Previous::build(&args.from)
    })?;
    let images = images::start_building(Profile::Dev);
    let moto = start_installing_moto();
    let cluster = Cluster::up(NAME)?;
    let checked = moto.finish().and_then(|()| {
        cluster.load_images(images)?;
        let archives: Vec<&Path> = previous.archives.iter().map(PathBuf::as_path).collect();
        cluster.load(&archives)?;
        check_on(&cluster, &previous)
    });
    step("removing the cluster", || Cluster::down(NAME))?;
    checked
}

/// An earlier commit: its files, and the archives of its images.
struct Previous {
    root: PathBuf,
    archives: Vec<PathBuf>,
}

impl Previous {
    fn build(commit: &str) -> anyhow::Result<Self> {
        let folder = project::target().join("upgrade");
        let root = folder.join("tree");
        let git = |arguments: &[&str]| {
            run(Command::new("git")
                .arg("-C")
                .arg(project::root())
                .args(arguments))
        };
        let path = root.display().to_string();
        let wanted = git(&["rev-parse", "--verify", &format!("{commit}^{{commit}}")])?;
        let left = git(&["-C", &path, "rev-parse", "HEAD"]);
        // The tree of an earlier run is built already.
        if !left.is_ok_and(|left| left == wanted) {
            let _ = git(&["worktree", "remove", "--force", &path]);
            git(&["worktree", "add", "--force", "--detach", &path, commit])?;
        }
        let binaries: Binaries =
            images::build_binaries_of(&root, &folder.join("target"), Profile::Dev)?;
        let tags = [PREVIOUS_WEBHOOK, PREVIOUS_INJECTOR];
        let archives = images::build_images_of(&root, &folder, &binaries, tags)?;
        Ok(Self { root, archives })
    }

    fn chart(&self) -> PathBuf {
        self.root.join("manifests/chart")
    }
}

fn check_on(cluster: &Cluster, previous: &Previous) -> anyhow::Result<()> {
    let aws = Aws::start(SocketAddr::new(cluster.address(), 0), &project::target())?;
    aws.seed_example()?;
    let kubectl = cluster.kubectl();
    let values = format!(
        "{},injector.env.AWS_ENDPOINT_URL={}",
        values_of_images(),
        aws.stand_in.url()
    );
    let helm = |arguments: &[&str]| {
        let waiting = ["-n", NAMESPACE, "--wait", "--timeout=180s"];
        helm::helm(Some(&kubectl), &[arguments, &waiting].concat())
    };
    let tags = "image.tag=previous,injector.image.tag=previous";
    step("installing the earlier chart", || {
        let crd = previous.root.join("manifests/crd.yaml");
        kubectl.run(&["apply", "-f", &crd.display().to_string()])?;
        wait_for_crd(&kubectl)?;
        let chart = previous.chart().display().to_string();
        let install = ["install", NAME, &chart, "--create-namespace"];
        helm(&[&install[..], &["--set", &values, "--set", tags]].concat())
    })?;
    step("starting a pod with a sidecar", || start_pod(&kubectl))?;
    let before = identity(&kubectl)?;
    under_load(&kubectl, "upgrade", || {
        let chart = helm::chart().display().to_string();
        helm(&["upgrade", NAME, &chart, "--set", &values])
    })?;
    let (name, _) = EXAMPLE_SECRETS[2];
    step("the earlier version's pod gets a new value", || {
        aws.seed(|seed| async move { seed.update_secret(name, "after").await.map(drop) })?;
        let read = ["-n", PODS, "exec", "web", "-c", "app", "--", "cat"];
        let file = format!("/mnt/secrets-store/{name}");
        kubectl.wait_until("the pod has the new value", || {
            Ok(kubectl.run(&[&read[..], &[&file]].concat())? == "after")
        })
    })?;
    ensure!(identity(&kubectl)? == before, "the pod was restarted");
    under_load(&kubectl, "rollback", || helm(&["rollback", NAME, "1"]))
}

/// Does it while pods are created.
fn under_load<T>(
    kubectl: &Kubectl,
    what: &str,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<()> {
    let pod = pod(true)?;
    let counts = step(
        &format!("{what} under {PER_SECOND} pods per second"),
        || {
            let stream = Admissions::start(kubectl, PODS, &pod, PER_SECOND);
            let done = work();
            std::thread::sleep(AFTERWARDS);
            let counts = stream.stop()?;
            done.map(|_| counts)
        },
    )?;
    line(&format!("    {what}: {counts}"));
    ensure!(
        counts.sent > 0 && counts.injected == counts.sent,
        "{what}: not all pods were injected: {counts}\n{:#?}",
        counts.refused
    );
    Ok(())
}

fn start_pod(kubectl: &Kubectl) -> anyhow::Result<()> {
    kubectl.apply(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {PODS}\n"
    ))?;
    let class = example_class("v1");
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "annotations": {
                "aws-secrets-injector.io/secret-provider-class": "aws-secrets",
                "aws-secrets-injector.io/refresh-interval": "1s",
            },
        },
        "spec": {"containers": [{"name": "app", "image": APP, "imagePullPolicy": "IfNotPresent"}]},
    });
    let all = [service_account("default"), class, pod.to_string()].join("\n---\n");
    let file = project::target().join("upgrade/pod.yaml");
    std::fs::write(&file, all).with_context(|| file.display().to_string())?;
    kubectl.run(&["-n", PODS, "apply", "-f", &file.display().to_string()])?;
    let ready = ["wait", "--for=condition=Ready", "--timeout=120s", "pod/web"];
    kubectl.run(&[&["-n", PODS], &ready[..]].concat()).map(drop)
}

/// The pod's UID and how often its containers were restarted.
fn identity(kubectl: &Kubectl) -> anyhow::Result<String> {
    let path = "jsonpath={.metadata.uid} {.status.initContainerStatuses[*].restartCount} {.status.containerStatuses[*].restartCount}";
    kubectl.run(&["-n", PODS, "get", "pod", "web", "-o", path])
}
