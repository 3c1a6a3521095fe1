//! The node image: kind's own if it can be pulled. Otherwise it is built once per set of versions, from Debian packages, the
//! programs of the Go modules and kind's files.
//!
//! For separate engines, a Docker data root with the image is kept. Each engine starts with a copy of it. The layers in the
//! copy are hard links, because layers are never modified.

mod root;
mod settings;
mod system;

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::engine::{self, Engine, Life, Own};
use super::programs;
use crate::command::run;
use crate::progress::{Beside, line, step};
use crate::{packages, project};

/// Sets the node image explicitly.
const GIVEN: &str = "E2E_NODE_IMAGE";
const REPOSITORY: &str = "kindest/node";

/// The sources that build an image. It is rebuilt when one of them changes.
const RECIPE: [&str; 4] = [
    include_str!("mod.rs"),
    include_str!("root.rs"),
    include_str!("settings.rs"),
    include_str!("system.rs"),
];

/// A node image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeImage {
    /// Its name, for kind.
    pub(super) name: String,
    /// Whether it was built here. Then it lacks what kind's own image contains besides Kubernetes.
    pub(super) is_ours: bool,
}

/// The image with the pinned versions.
fn ours() -> anyhow::Result<NodeImage> {
    let mut hasher = DefaultHasher::new();
    RECIPE.hash(&mut hasher);
    programs::versions().hash(&mut hasher);
    let tag = format!(
        "{}-kind-{}-{:08x}",
        programs::kubernetes_version()?,
        programs::kind_version()?,
        hasher.finish() >> 32
    );
    Ok(NodeImage {
        name: format!("{REPOSITORY}:{tag}"),
        is_ours: true,
    })
}

/// The image for the machine's engine.
pub(super) fn for_machine(engine: &Engine) -> anyhow::Result<NodeImage> {
    if let Some(name) = std::env::var_os(GIVEN) {
        let name = name.to_string_lossy().into_owned();
        return Ok(NodeImage {
            name,
            is_ours: false,
        });
    }
    let ours = ours()?;
    if engine.has_image(&ours.name) {
        return Ok(ours);
    }
    let kinds = programs::kind_node_image()?;
    let pulled = engine.has_image(&kinds)
        || step(&format!("pulling {kinds}"), || {
            run(engine.docker().args(["pull", "--quiet", &kinds]))
        })
        .inspect_err(|error| line(&format!("    could not pull it: {error:#}")))
        .is_ok();
    if pulled {
        return Ok(NodeImage {
            name: kinds,
            is_ours: false,
        });
    }
    let folder = project::target().join("node-image");
    let _building = claim(&folder)?;
    let parts = Parts::collect(&folder)?;
    parts.build(engine, &ours.name)?;
    Ok(ours)
}

/// The image for separate engines, and a Docker data root that contains it.
pub(super) fn for_own_engines() -> anyhow::Result<(NodeImage, PathBuf)> {
    let ours = ours()?;
    let folder = project::target().join("node-image");
    let tag = ours.name.rsplit(':').next().unwrap_or_default();
    let data = folder.join(tag);
    let _building = claim(&folder)?;
    if !data.exists() {
        let unfinished = folder.join("unfinished");
        let engine = folder.join("engine");
        Own::end(&engine)?;
        let _ = fs::remove_dir_all(&unfinished);
        engine::needs_root()?;
        let parts = Parts::collect(&folder)?;
        let own = Own::start(&engine, &unfinished, Life::OfThisThread)?;
        let built = parts.build(&Engine::Own(own), &ours.name);
        Own::end(&engine)?;
        built?;
        fs::rename(&unfinished, &data).with_context(|| data.display().to_string())?;
    }
    Ok((ours, data))
}

/// Copies a Docker data root for an engine.
pub(super) fn copy(data: &Path, copy: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(copy)?;
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        let is_layers = entry.file_name() == "overlay2";
        let how = if is_layers { "-al" } else { "-a" };
        run(Command::new("cp").arg(how).arg(entry.path()).arg(copy))?;
    }
    Ok(())
}

/// A lock for building. Others wait for it and then find the built image.
fn claim(folder: &Path) -> anyhow::Result<fs::File> {
    fs::create_dir_all(folder)?;
    let claim = fs::File::create(folder.join("lock"))?;
    claim.lock()?;
    Ok(claim)
}

/// What the image is made of, in a folder.
struct Parts<'a> {
    folder: &'a Path,
    /// The root file system, so far only of Debian packages.
    root: PathBuf,
    /// The folder with the programs.
    programs: PathBuf,
}

impl<'a> Parts<'a> {
    /// Installs the Debian packages while the programs are compiled.
    fn collect(folder: &'a Path) -> anyhow::Result<Self> {
        let root = folder.join("root");
        let debian = Beside::start("node image: installing Debian packages", {
            let root = root.clone();
            move || {
                packages::for_own_engine()?;
                root::debian(&root)
            }
        });
        let programs = programs::all()?;
        debian.finish()?;
        Ok(Self {
            folder,
            root,
            programs,
        })
    }

    /// Builds the image in an engine.
    fn build(&self, engine: &Engine, name: &str) -> anyhow::Result<()> {
        let base = format!("{name}-base");
        let Self { root, programs, .. } = self;
        step("node image: kind's files, programs and settings", || {
            root::complete(root, programs)
        })?;
        step("node image: importing the root into Docker", || {
            system::import(engine, root, &["ENV container=docker"], &base)
        })?;
        let tags = step("node image: the image of the control plane", || {
            system::build(engine, &self.folder.join("parts"), root, programs)
        })?;
        step("node image: loading it into the node's store", || {
            system::store(engine, &tags, &base, name)
        })?;
        fs::remove_dir_all(root)?;
        let size = run(engine
            .docker()
            .args(["image", "inspect", "--format", "{{.Size}}", name]))?;
        let bytes: u64 = size.trim().parse().unwrap_or_default();
        line(&format!("    node image {name}: {} MB", bytes / 1_000_000));
        Ok(())
    }
}
