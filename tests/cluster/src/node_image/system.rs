//! The image of all containers of the control plane, in the image store of the node's containerd: one file system under several
//! names. It has the Kubernetes programs, etcd, and iptables with all libraries that it links or loads, which kube-proxy needs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::command::{find, run};
use crate::engine::Engine;
use crate::programs;

/// The etcd image name of this kubeadm version, and the image that containerd starts in every pod.
const ETCD: &str = "registry.k8s.io/etcd:3.6.8-0";
pub(super) const PAUSE: &str = "registry.k8s.io/pause:3.10.2";
const PATH: &str = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a pod's first container runs: any program that sleeps will do. The other pods name their commands.
const SLEEP: &str = r#"ENTRYPOINT ["/usr/bin/busybox", "sleep", "1000000000"]"#;

/// Debian's folder of iptables extensions. Each is a library that is loaded for a keyword in a rule.
const EXTENSIONS: &str = "usr/lib/x86_64-linux-gnu/xtables";
const PROGRAMS: [&str; 2] = ["usr/sbin/xtables-nft-multi", "usr/sbin/nft"];
const NAMES: [&str; 6] = [
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];

/// Creates an image from a folder, with these changes of its configuration.
pub(super) fn import(
    engine: &Engine,
    folder: &Path,
    changes: &[&str],
    tag: &str,
) -> anyhow::Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("--directory").arg(folder);
    tar.args(["--numeric-owner", "--create", "."]);
    let mut docker = engine.docker();
    docker.arg("import");
    for change in changes.iter().chain([&PATH]) {
        docker.args(["--change", change]);
    }
    docker.args(["-", tag]);
    pipe(&mut tar, &mut docker)
}

/// Builds the image from the node's root file system and the programs, in a folder. Returns its names.
pub(super) fn build(
    engine: &Engine,
    folder: &Path,
    root: &Path,
    programs: &Path,
) -> anyhow::Result<Vec<String>> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    files(folder, root, programs)?;
    let version = programs::kubernetes_version()?;
    let mut tags = vec![PAUSE.to_owned(), ETCD.to_owned()];
    for name in [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
    ] {
        tags.push(format!("registry.k8s.io/{name}:{version}"));
    }
    import(engine, folder, &[SLEEP], PAUSE)?;
    for tag in &tags[1..] {
        run(engine.docker().args(["tag", PAUSE, tag]))?;
    }
    fs::remove_dir_all(folder)?;
    Ok(tags)
}

fn files(folder: &Path, root: &Path, programs: &Path) -> anyhow::Result<()> {
    for path in ["usr/sbin", "usr/bin", "usr/lib64", "run", "tmp", "etc"] {
        fs::create_dir_all(folder.join(path))?;
    }
    for path in ["sbin", "bin", "lib", "lib64"] {
        symlink(format!("usr/{path}"), folder.join(path))?;
    }
    let own = folder.join("usr/local/bin");
    programs::install_kubernetes(programs, &own)?;
    fs::copy(programs.join("etcd"), own.join("etcd")).context("etcd")?;
    for path in PROGRAMS {
        copy(root, folder, path)?;
    }
    for name in NAMES {
        symlink("xtables-nft-multi", folder.join("usr/sbin").join(name))?;
    }
    for entry in fs::read_dir(root.join(EXTENSIONS)).context("iptables' extensions")? {
        let name = entry?.file_name();
        copy(
            root,
            folder,
            &format!("{EXTENSIONS}/{}", name.to_string_lossy()),
        )?;
    }
    for library in libraries(root)? {
        copy(root, folder, &library)?;
    }
    for path in ["etc/protocols", "etc/services", "etc/nsswitch.conf"] {
        if root.join(path).exists() {
            copy(root, folder, path)?;
        }
    }
    let busybox = find("busybox").context("busybox not found: install busybox-static")?;
    fs::copy(busybox, folder.join("usr/bin/busybox"))?;
    for name in ["sh", "ls", "cat"] {
        symlink("busybox", folder.join("usr/bin").join(name))?;
    }
    // If a library is missing, this fails now, rather than later as a Service that drops packets.
    run(Command::new("chroot")
        .arg(folder)
        .args(["/usr/sbin/iptables", "--version"]))?;
    Ok(())
}

/// Libraries of the programs and of all extensions. If an extension cannot be loaded, each rule with its keyword fails.
fn libraries(root: &Path) -> anyhow::Result<Vec<String>> {
    let programs = PROGRAMS.map(|path| format!("/{path}")).join(" ");
    let listed = run(Command::new("chroot").arg(root).args([
        "sh",
        "-c",
        &format!("ldd {programs} /{EXTENSIONS}/*.so"),
    ]))?;
    let mut libraries: Vec<String> = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/') && word.contains(".so") && !word.ends_with(':'))
        .map(|word| word.trim_start_matches('/').to_owned())
        .collect();
    libraries.sort();
    libraries.dedup();
    Ok(libraries)
}

/// Copies a file to the same path. Links are followed.
fn copy(root: &Path, folder: &Path, path: &str) -> anyhow::Result<()> {
    let to = folder.join(path);
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(root.join(path), &to).with_context(|| root.join(path).display().to_string())?;
    Ok(())
}

/// Imports the images with the containerd of a container from the base image, and commits the container.
pub(super) fn store(
    engine: &Engine,
    tags: &[String],
    base: &str,
    name: &str,
) -> anyhow::Result<()> {
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
