//! The control plane images, built from programs of the Go modules, in the image store of the node's containerd.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::kube_proxy;
use crate::cluster::engine::Engine;
use crate::cluster::programs;
use crate::command::{find, run};
use crate::progress::step;

/// The etcd image name of this kubeadm version, and the image that containerd starts in every pod.
const ETCD: &str = "registry.k8s.io/etcd:3.6.8-0";
pub(super) const PAUSE: &str = "registry.k8s.io/pause:3.10.2";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The sources of the images.
pub(super) struct Parts<'a> {
    /// A folder to build in.
    pub(super) folder: &'a Path,
    /// The node's root file system.
    pub(super) root: &'a Path,
    /// The folder with the Kubernetes programs.
    pub(super) kubernetes: &'a Path,
    /// etcd.
    pub(super) etcd: &'a Path,
}

/// Creates an image from a folder.
pub(super) fn import(
    engine: &Engine,
    folder: &Path,
    environment: &[&str],
    tag: &str,
) -> anyhow::Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("--directory").arg(folder);
    tar.args(["--numeric-owner", "--create", "."]);
    let mut docker = engine.docker();
    docker.arg("import");
    for variable in environment.iter().chain([&PATH]) {
        docker.args(["--change", &format!("ENV {variable}")]);
    }
    docker.args(["-", tag]);
    pipe(&mut tar, &mut docker)
}

/// Loads the images into the store of the base node image and saves the result under a new name.
pub(super) fn add(
    engine: &Engine,
    parts: &Parts<'_>,
    base: &str,
    name: &str,
) -> anyhow::Result<()> {
    let tags = step("node image: control plane images", || images(engine, parts))?;
    step("node image: loading images into the node's store", || {
        store(engine, &tags, base, name)
    })
}

fn images(engine: &Engine, parts: &Parts<'_>) -> anyhow::Result<Vec<String>> {
    let version = programs::kubernetes_version()?;
    let mut tags = Vec::new();
    let of_kubernetes = [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    ];
    for program in of_kubernetes {
        let tag = format!("registry.k8s.io/{program}:{version}");
        one_program(
            engine,
            parts,
            &parts.kubernetes.join(program),
            program,
            &tag,
        )?;
        tags.push(tag);
    }
    one_program(engine, parts, parts.etcd, "etcd", ETCD)?;
    tags.push(ETCD.to_owned());
    let proxy = format!("registry.k8s.io/kube-proxy:{version}");
    let folder = parts.folder.join("kube-proxy");
    kube_proxy::build(&folder, parts.root, &parts.kubernetes.join("kube-proxy"))?;
    import(engine, &folder, &[], &proxy)?;
    tags.push(proxy);
    pause(engine, parts)?;
    tags.push(PAUSE.to_owned());
    fs::remove_dir_all(parts.folder)?;
    Ok(tags)
}

/// Creates an image with only a static program.
fn one_program(
    engine: &Engine,
    parts: &Parts<'_>,
    program: &Path,
    name: &str,
    tag: &str,
) -> anyhow::Result<()> {
    let folder = parts.folder.join(name);
    let programs = folder.join("usr/local/bin");
    fs::create_dir_all(&programs)?;
    fs::copy(program, programs.join(name)).with_context(|| program.display().to_string())?;
    import(engine, &folder, &[], tag)
}

/// Replaces the Kubernetes pause image. Any program that sleeps works, but it must be the image's entrypoint.
fn pause(engine: &Engine, parts: &Parts<'_>) -> anyhow::Result<()> {
    let folder = parts.folder.join("pause");
    fs::create_dir_all(&folder)?;
    let busybox = find("busybox").context("no busybox: install busybox-static")?;
    fs::copy(busybox, folder.join("busybox"))?;
    let mut tar = Command::new("tar");
    tar.arg("--directory").arg(&folder);
    tar.args(["--numeric-owner", "--create", "."]);
    let mut docker = engine.docker();
    let entrypoint = r#"ENTRYPOINT ["/busybox", "sleep", "1000000000"]"#;
    docker.args(["import", "--change", entrypoint, "-", PAUSE]);
    pipe(&mut tar, &mut docker)
}

/// Imports the images with the containerd of a container from the base image, and commits the container.
fn store(engine: &Engine, tags: &[String], base: &str, name: &str) -> anyhow::Result<()> {
    let container = run(engine.docker().args([
        "run",
        "--detach",
        "--privileged",
        "--entrypoint=/bin/sleep",
        base,
        "infinity",
    ]))?;
    let container = container.trim();
    let done = store_in(engine, tags, container, name);
    let removed = run(engine.docker().args(["rm", "--force", container]));
    done?;
    removed?;
    run(engine.docker().args(["rmi", "--force"]).args(tags)).map(drop)
}

fn store_in(engine: &Engine, tags: &[String], container: &str, name: &str) -> anyhow::Result<()> {
    let inside = ["exec", "--interactive", container];
    let mut containerd = engine.docker();
    containerd.args(["exec", "--detach", container, "containerd"]);
    run(&mut containerd)?;
    let wait =
        "for i in $(seq 300); do ctr version >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1";
    run(engine.docker().args(inside).args(["sh", "-c", wait]))
        .context("the node's containerd did not start")?;
    let mut save = engine.docker();
    save.arg("save").args(tags);
    let mut import = engine.docker();
    import.args(inside).args([
        "ctr",
        "--namespace=k8s.io",
        "images",
        "import",
        "--no-unpack",
        "--digests",
        "-",
    ]);
    pipe(&mut save, &mut import)?;
    run(engine
        .docker()
        .args(inside)
        .args(["pkill", "-x", "containerd"]))?;
    let entrypoint = r#"ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]"#;
    let commit = ["commit", "--change", entrypoint, container, name];
    run(engine.docker().args(commit)).map(drop)
}

/// Pipes the output of one program into another.
fn pipe(from: &mut Command, to: &mut Command) -> anyhow::Result<()> {
    let mut writer = from
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not run {from:?}"))?;
    let written = writer.stdout.take().context("a pipe has an end")?;
    let output = to
        .stdin(written)
        .output()
        .with_context(|| format!("could not run {to:?}"))?;
    let status = writer.wait()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{to:?} failed: {error}");
    ensure!(status.success(), "{from:?} failed ({status})");
    Ok(())
}
