//! Static binaries and images. The images are built from the two Dockerfiles, as users do, but with the binaries that cargo
//! built instead of the Dockerfiles' compile stage. This way nothing is pulled.
//!
//! The tests' images contain the binaries of the unit tests: the same profile, flags (`.cargo/config.toml`) and features, which
//! are those of the whole workspace. So nothing is compiled twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use cluster::command::{find, run};
use cluster::progress::Beside;
use cluster::{Images, packages, project};

/// The registry in image names. The images are loaded on the nodes, so it does not have to exist.
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
/// Tag of the app image in tests and the demo, with a shell and the usual tools.
pub const APP: &str = "busybox-app:dev";
/// The same, running as root, like most images.
pub const ROOT_APP: &str = "busybox-root:dev";

/// The flags of `.cargo/config.toml`: the images contain nothing else, so the binaries must be static.
const FLAGS: &str = "-C target-feature=+crt-static";

/// The target of the binaries.
fn target_triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The build profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// That of the tests.
    Dev,
    /// The release settings.
    Release,
}

/// The built programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The injector.
    pub injector: PathBuf,
    /// The program that the injector copies into pods.
    pub exec: PathBuf,
    /// The webhook.
    pub webhook: PathBuf,
}

/// Paths of the CA certificates on different distributions.
const CA_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

const INJECTOR_PROGRAM: &str = "aws-secrets-injector";
const EXEC_PROGRAM: &str = "aws-secrets-exec";
const WEBHOOK_PROGRAM: &str = "aws-secrets-webhook";

/// Starts building the binaries and the images while the cluster is created.
pub fn start_building(profile: Profile) -> Beside<Images> {
    Beside::start("building the programs and their images", move || {
        build_images(&build_binaries(profile)?)
    })
}

/// Builds the binaries.
pub fn build_binaries(profile: Profile) -> anyhow::Result<Binaries> {
    build_binaries_of(&project::root(), &project::target(), profile)
}

/// Builds the binaries of a tree of the project's files.
pub(crate) fn build_binaries_of(
    root: &Path,
    target: &Path,
    profile: Profile,
) -> anyhow::Result<Binaries> {
    let build = |what: &[&str]| build(root, target, what);
    let (injector, webhook) = match profile {
        Profile::Dev => {
            let programs = [INJECTOR_PROGRAM, EXEC_PROGRAM, WEBHOOK_PROGRAM];
            let programs = programs.map(|program| ["--bin", program]).concat();
            build(&[&["--workspace"], &programs[..]].concat())?;
            ("debug", "debug")
        }
        // Each in a build of its own, as the Dockerfiles do it: no crate gets features that only the other program needs.
        Profile::Release => {
            build(&["--profile", "release", "--package", INJECTOR_PROGRAM])?;
            build(&["--profile", "webhook", "--package", WEBHOOK_PROGRAM])?;
            ("release", "webhook")
        }
    };
    let folder = target.join(target_triple());
    Ok(Binaries {
        injector: folder.join(injector).join(INJECTOR_PROGRAM),
        exec: folder.join(injector).join(EXEC_PROGRAM),
        webhook: folder.join(webhook).join(WEBHOOK_PROGRAM),
    })
}

fn build(root: &Path, target: &Path, what: &[&str]) -> anyhow::Result<()> {
    // A first run waits longest for Kubernetes, so that goes first.
    let mut cargo = Command::new("nice");
    cargo
        .arg(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", FLAGS)
        .args(["build", "--locked", "--target", &target_triple()])
        .args(what);
    // The cargo that runs this program set these for it. Build scripts that read them would run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    run(&mut cargo).map(drop)
}

/// Builds all images.
pub fn build_images(binaries: &Binaries) -> anyhow::Result<Images> {
    let folder = project::target().join("images");
    let stage = stage(&folder, binaries)?;
    let apps = folder.join("apps");
    write_app_files(&apps)?;
    let root = project::root();
    build_each(
        &folder,
        &stage,
        &[
            (WEBHOOK, root.join("Dockerfile.webhook"), &root),
            (INJECTOR, root.join("Dockerfile.injector"), &root),
            (APP, apps.join("Dockerfile.app"), &apps),
            (ROOT_APP, apps.join("Dockerfile.root"), &apps),
        ],
    )
}

/// Builds the webhook's and the injector's images from a tree of the project's files, with these tags. Returns their archives.
pub(crate) fn build_images_of(
    root: &Path,
    folder: &Path,
    binaries: &Binaries,
    [webhook, injector]: [&'static str; 2],
) -> anyhow::Result<Vec<PathBuf>> {
    let stage = stage(folder, binaries)?;
    let archives = build_each(
        folder,
        &stage,
        &[
            (webhook, root.join("Dockerfile.webhook"), root),
            (injector, root.join("Dockerfile.injector"), root),
        ],
    )?;
    Ok(archives.into_iter().map(|(_, archive)| archive).collect())
}

/// The folder that takes the place of the Dockerfiles' compile stage.
fn stage(folder: &Path, binaries: &Binaries) -> anyhow::Result<PathBuf> {
    let stage = folder.join("stage");
    fs::create_dir_all(stage.join("out"))?;
    for binary in [&binaries.injector, &binaries.exec, &binaries.webhook] {
        let name = binary.file_name().context("a program has a name")?;
        fs::copy(binary, stage.join("out").join(name))
            .with_context(|| format!("could not copy {}", binary.display()))?;
    }
    fs::create_dir_all(stage.join("etc/ssl/certs"))?;
    let roots = CA_ROOTS
        .iter()
        .find(|path| Path::new(path).exists())
        .context("no CA certificates found: install ca-certificates")?;
    fs::copy(roots, stage.join("etc/ssl/certs/ca-certificates.crt"))?;
    Ok(stage)
}

/// Builds images: the tag, the Dockerfile and the context of each.
fn build_each(
    folder: &Path,
    stage: &Path,
    images: &[(&'static str, PathBuf, &Path)],
) -> anyhow::Result<Images> {
    let builder = builder()?;
    let mut archives = Vec::new();
    for (tag, file, context) in images {
        let archive = folder.join(format!("{}.tar", tag.replace(['/', ':'], "_")));
        let _ = fs::remove_file(&archive);
        builder.build(tag, file, context, stage, &archive)?;
        archives.push((*tag, archive));
    }
    Ok(archives)
}

/// Writes the files for the app images, which contain a static busybox.
fn write_app_files(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let busybox = find("busybox").context("busybox not found: install busybox-static")?;
    fs::copy(busybox, folder.join("busybox"))?;
    let root = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"/bin\"]\nENV PATH=/bin\nCMD [\"sleep\", \"100000\"]\n";
    fs::write(folder.join("Dockerfile.root"), root)?;
    fs::write(
        folder.join("Dockerfile.app"),
        format!("{root}USER 1000:1000\n"),
    )?;
    Ok(())
}

/// A program that builds images.
enum Builder {
    Docker,
    Buildah(PathBuf),
}

/// Docker if it has buildx, which can replace a stage with a folder; otherwise buildah.
fn builder() -> anyhow::Result<Builder> {
    let has_buildx = || run(Command::new("docker").args(["buildx", "version"])).is_ok();
    if cluster::machine_has_one() && has_buildx() {
        return Ok(Builder::Docker);
    }
    if !cluster::machine_has_one() {
        packages::for_own_engine()?;
    }
    let buildah = find("buildah").context(
        "no image builder found: install Docker with buildx, or buildah with: apt-get install buildah",
    )?;
    Ok(Builder::Buildah(buildah))
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
                    // Separate storage with plain copies, so that nothing remains in the machine's storage, and no mounts.
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
                // A build leaves untagged layers of the previous one.
                let _ = run(buildah().args(["rmi", "--prune"]));
            }
        }
        Ok(())
    }
}
