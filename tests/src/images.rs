//! Our static binaries, and images: from the two Dockerfiles, as users build them, but with the binaries that cargo has
//! just built in place of the Dockerfiles' compile stage, so that nothing is pulled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::command::{find, run};
use crate::project;

/// Where the documents' commands find our images: on the nodes already, so no machine of this name has to be there.
pub const REGISTRY: &str = "aws-secrets-injector.test";
macro_rules! of_this_version {
    ($name:literal) => {
        concat!(
            "aws-secrets-injector.test/",
            $name,
            ":",
            env!("CARGO_PKG_VERSION")
        )
    };
}

/// Tag of the webhook's image.
pub const WEBHOOK: &str = of_this_version!("webhook");
/// Tag of the injector's image.
pub const INJECTOR: &str = of_this_version!("injector");
/// Tag of the image of pods in tests and the demo: a shell and the usual tools.
pub const APP: &str = "busybox-app:dev";
/// What kubelet's containerd starts first in every pod: any program that sleeps.
pub const PAUSE: &str = "registry.k8s.io/pause:3.6";

/// Binaries must be static: their images have nothing else in them.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How binaries are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    E2e,
    /// As they are released.
    Release,
}

/// Our programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The injector.
    pub injector: PathBuf,
    /// The webhook.
    pub webhook: PathBuf,
}

/// Where certificate authorities are, by distribution.
const CA_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Builds the binaries.
pub fn build_binaries(profile: Profile) -> anyhow::Result<Binaries> {
    let (injector, webhook) = match profile {
        Profile::E2e => ("e2e", "e2e"),
        Profile::Release => ("release", "webhook"),
    };
    Ok(Binaries {
        injector: build("aws-secrets-injector", injector)?,
        webhook: build("aws-secrets-webhook", webhook)?,
    })
}

fn build(package: &str, profile: &str) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(project::root())
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .args(["build", "--locked", "--target", TARGET])
        .args(["--profile", profile, "--package", package]);
    run(&mut cargo)?;
    Ok(project::target().join(TARGET).join(profile).join(package))
}

/// Builds all images; an archive of each, by its tag.
pub fn build_images(binaries: &Binaries) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let folder = project::target().join("images");
    let stage = folder.join("stage");
    fs::create_dir_all(stage.join("out"))?;
    for binary in [&binaries.injector, &binaries.webhook] {
        let name = binary.file_name().context("a program has a name")?;
        fs::copy(binary, stage.join("out").join(name))
            .with_context(|| format!("could not copy {}", binary.display()))?;
    }
    fs::create_dir_all(stage.join("etc/ssl/certs"))?;
    let roots = CA_ROOTS
        .iter()
        .find(|path| Path::new(path).exists())
        .context("no certificate authorities: install ca-certificates")?;
    fs::copy(roots, stage.join("etc/ssl/certs/ca-certificates.crt"))?;
    let apps = folder.join("apps");
    write_app_files(&apps)?;
    let root = project::root();
    let mut archives = Vec::new();
    for (tag, file, context) in [
        (WEBHOOK, root.join("Dockerfile.webhook"), &root),
        (INJECTOR, root.join("Dockerfile.injector"), &root),
        (APP, apps.join("Dockerfile.app"), &apps),
        (PAUSE, apps.join("Dockerfile.pause"), &apps),
    ] {
        let archive = folder.join(format!("{}.tar", tag.replace(['/', ':'], "_")));
        let _ = fs::remove_file(&archive);
        builder()?.build(tag, &file, context, &stage, &archive)?;
        archives.push((tag, archive));
    }
    Ok(archives)
}

/// The image of the app, and one in the place of Kubernetes' own: both are busybox, which is static.
fn write_app_files(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let busybox = find("busybox").context("no busybox: install busybox-static")?;
    fs::copy(busybox, folder.join("busybox"))?;
    let app = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"/bin\"]\nENV PATH=/bin\nUSER 1000:1000\nCMD [\"sleep\", \"100000\"]\n";
    fs::write(folder.join("Dockerfile.app"), app)?;
    fs::write(
        folder.join("Dockerfile.pause"),
        "FROM scratch\nCOPY busybox /busybox\nENTRYPOINT [\"/busybox\", \"sleep\", \"1000000000\"]\n",
    )?;
    Ok(())
}

/// What builds images.
enum Builder {
    Docker,
    Buildah(PathBuf),
}

/// Does a Docker engine answer?
pub fn has_docker() -> bool {
    find("docker").is_some()
        && run(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"])).is_ok()
}

fn builder() -> anyhow::Result<Builder> {
    if has_docker() {
        return Ok(Builder::Docker);
    }
    match find("buildah") {
        Some(program) => Ok(Builder::Buildah(program)),
        None => bail!(
            "neither Docker nor buildah: install one of them, such as with apt-get install buildah"
        ),
    }
}

impl Builder {
    fn build(
        &self,
        tag: &str,
        file: &Path,
        context: &Path,
        stage: &Path,
        archive: &Path,
    ) -> anyhow::Result<()> {
        let stage = format!("build={}", stage.display());
        match self {
            Self::Docker => {
                let mut docker = Command::new("docker");
                docker
                    .args([
                        "build",
                        "--quiet",
                        "--build-context",
                        &stage,
                        "--tag",
                        tag,
                        "--file",
                    ])
                    .arg(file)
                    .arg(context);
                run(&mut docker)?;
                run(Command::new("docker")
                    .args(["save", tag, "--output"])
                    .arg(archive))?;
            }
            Self::Buildah(program) => {
                let buildah = || {
                    let storage = project::target().join("images/storage");
                    let mut command = Command::new(program);
                    // Storage of its own, with plain copies: nothing is left in the machine's, and no mount either.
                    command
                        .arg("--root")
                        .arg(storage.join("root"))
                        .arg("--runroot")
                        .arg(storage.join("run"));
                    command.args(["--storage-driver", "vfs"]);
                    command
                };
                let mut build = buildah();
                build.args([
                    "build",
                    "--quiet",
                    "--isolation",
                    "chroot",
                    "--build-context",
                    &stage,
                    "--tag",
                    tag,
                    "--file",
                ]);
                run(build.arg(file).arg(context))?;
                run(buildah().args([
                    "push",
                    "--quiet",
                    tag,
                    &format!("docker-archive:{}:{tag}", archive.display()),
                ]))?;
                // A build leaves the layers of the last one behind, without a name.
                let _ = run(buildah().args(["rmi", "--prune"]));
            }
        }
        Ok(())
    }
}
