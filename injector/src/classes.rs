//! The classes to fetch and their directories.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use provider_class::document::{InvalidDocument, kinds};
use provider_class::{
    Class, ClassError, Collision, Contents, Plan, Region, SNAPSHOT_VARIABLE, Snapshot, Title,
};

use crate::args::Fetch;
use crate::input::{self, InputError};

/// A class to fetch, and where to.
#[derive(Clone, Debug)]
pub struct ClassToFetch {
    /// The class.
    pub class: Class,
    /// Its requests.
    pub plan: Plan,
    /// The directory for its files.
    pub mount_path: PathBuf,
}

/// Why no class can be fetched.
#[derive(Debug, thiserror::Error)]
pub enum ClassesError {
    /// A class file that cannot be read.
    #[error("class file {}: {error}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: InputError,
    },
    /// A class file with something else in it.
    #[error("class file {}: {error}", .file.display())]
    Document {
        /// The file.
        file: PathBuf,
        /// Why.
        error: InvalidDocument,
    },
    /// Neither class files nor a snapshot.
    #[error(
        "no classes: give --class-file FILE, or set the environment variable {SNAPSHOT_VARIABLE} as the webhook does"
    )]
    None,
    /// A snapshot that the webhook did not write.
    #[error("environment variable {SNAPSHOT_VARIABLE} is not a snapshot of classes: {0}")]
    Snapshot(serde_json::Error),
    /// Classes with mistakes, of another provider or without a region.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// Classes that write the same file.
    #[error("in {}: {error}", .mount_path.display())]
    Collision {
        /// The directory.
        mount_path: PathBuf,
        /// The file.
        error: Collision,
    },
}

/// A line for each error.
pub(crate) fn lines(errors: &[impl Display]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// A class as it came in, and the directory for its files.
type Given = (Result<Class, ClassError>, PathBuf);

/// Loads and checks the classes that the command line and the environment name; doubts are logged as warnings.
pub fn load(
    args: &Fetch,
    snapshot: Option<&str>,
    default_region: Option<&Region>,
) -> Result<Vec<ClassToFetch>, ClassesError> {
    let given = match (&args.mount_path, snapshot) {
        (Some(mount_path), _) if !args.class_files.is_empty() => {
            from_files(&args.class_files, mount_path)?
        }
        (mount_path, Some(json)) => from_snapshot(json, mount_path.as_deref())?,
        (_, None) => return Err(ClassesError::None),
    };
    check(given, default_region)
}

fn from_files(files: &[PathBuf], mount_path: &Path) -> Result<Vec<Given>, ClassesError> {
    let mut given = Vec::new();
    for file in files {
        let failed = |error| ClassesError::Document {
            file: file.clone(),
            error,
        };
        let text = input::read(file).map_err(|error| ClassesError::File {
            file: file.clone(),
            error,
        })?;
        let contents = Contents::read(&text);
        if let Some(error) = contents.errors.into_iter().next() {
            return Err(failed(error));
        }
        let others = contents.others;
        if contents.classes.is_empty() {
            return Err(failed(InvalidDocument::Empty { others }));
        }
        if !others.is_empty() {
            tracing::info!("class file {}: skipped {}", file.display(), kinds(&others));
        }
        for document in contents.classes {
            given.push((document.parse(), mount_path.to_owned()));
        }
    }
    Ok(given)
}

fn from_snapshot(json: &str, mount_path: Option<&Path>) -> Result<Vec<Given>, ClassesError> {
    let snapshot = Snapshot::from_json(json).map_err(ClassesError::Snapshot)?;
    if snapshot.classes.is_empty() {
        return Err(ClassesError::None);
    }
    let given = snapshot.classes.iter().map(|class| {
        let own = || PathBuf::from(&class.mount_path);
        let mount_path = mount_path.map_or_else(own, Path::to_owned);
        (Class::parse(&class.name, &class.spec()), mount_path)
    });
    Ok(given.collect())
}

fn check(
    given: Vec<Given>,
    default_region: Option<&Region>,
) -> Result<Vec<ClassToFetch>, ClassesError> {
    let mut all = Vec::new();
    let mut unusable = Vec::new();
    for (class, mount_path) in given {
        let class = match class {
            Ok(class) => class,
            Err(error) => {
                unusable.push(error.to_string());
                continue;
            }
        };
        for warning in &class.warnings {
            tracing::warn!("{}: {warning}", Title(&class.name));
        }
        match class.resolve(default_region) {
            Ok(plan) => all.push(ClassToFetch {
                class,
                plan,
                mount_path,
            }),
            Err(error) => unusable.push(error.to_string()),
        }
    }
    if !unusable.is_empty() {
        return Err(ClassesError::Invalid(unusable));
    }
    let mut by_path: BTreeMap<&Path, Vec<&Class>> = BTreeMap::new();
    for wanted in &all {
        let classes = by_path.entry(&wanted.mount_path).or_default();
        classes.push(&wanted.class);
    }
    for (mount_path, classes) in by_path {
        provider_class::collisions(&classes).map_err(|error| ClassesError::Collision {
            mount_path: mount_path.to_owned(),
            error,
        })?;
    }
    Ok(all)
}
