//! Which classes are fetched, and to where.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use provider_class::{
    Class, Collision, Document, InvalidClass, NoRegion, PROVIDER, Plan, Region, SNAPSHOT_VARIABLE,
    SecretProviderClassSpec, Snapshot,
};

use crate::args::Fetch;

/// A class that is to be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The class.
    pub class: Class,
    /// Its requests.
    pub plan: Plan,
    /// The directory for its files.
    pub mount_path: PathBuf,
}

/// Why the classes cannot be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum ClassesError {
    /// A class file that cannot be read.
    #[error("class file {}: {error}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A class file with something else in it.
    #[error("class file {}: {error}", .file.display())]
    Document {
        /// The file.
        file: PathBuf,
        /// Why.
        error: provider_class::document::InvalidDocument,
    },
    /// Neither files nor a snapshot.
    #[error(
        "no classes: give --class-file FILE, or set the environment variable {SNAPSHOT_VARIABLE} as the webhook does"
    )]
    None,
    /// A snapshot that the webhook did not write.
    #[error("environment variable {SNAPSHOT_VARIABLE} is not a snapshot of classes: {0}")]
    Snapshot(serde_json::Error),
    /// The provider of a class file is missing or another one.
    #[error("class {name:?}: provider: is {provider:?}; write \"provider: {PROVIDER}\" under spec")]
    Provider {
        /// The class.
        name: String,
        /// As written.
        provider: String,
    },
    /// Classes with mistakes.
    #[error("{}", lines(.0))]
    Invalid(Vec<InvalidClass>),
    /// A class without region.
    #[error(transparent)]
    Region(#[from] NoRegion),
    /// Classes that write the same file.
    #[error("in {}: {error}", .mount_path.display())]
    Collision {
        /// The directory.
        mount_path: PathBuf,
        /// The file.
        error: Collision,
    },
}

fn lines(invalid: &[InvalidClass]) -> String {
    invalid
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A class as it came in.
struct Given {
    name: String,
    spec: SecretProviderClassSpec,
    mount_path: PathBuf,
}

/// Loads and checks the classes that the command line and the environment name; doubts are logged as warnings.
pub fn load(
    args: &Fetch,
    snapshot: Option<&str>,
    default_region: Option<&Region>,
) -> Result<Vec<Wanted>, ClassesError> {
    let given = match (&args.mount_path, snapshot) {
        (Some(mount_path), _) if !args.class_files.is_empty() => {
            from_files(&args.class_files, mount_path)?
        }
        (mount_path, Some(json)) => from_snapshot(json, mount_path.as_deref())?,
        (_, None) => return Err(ClassesError::None),
    };
    check(&given, default_region)
}

fn from_files(files: &[PathBuf], mount_path: &Path) -> Result<Vec<Given>, ClassesError> {
    let mut given = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| ClassesError::File {
            file: file.clone(),
            error,
        })?;
        let documents = Document::read_all(&text).map_err(|error| ClassesError::Document {
            file: file.clone(),
            error,
        })?;
        for Document {
            class, warnings, ..
        } in documents
        {
            let name = class.metadata.name;
            for warning in warnings {
                tracing::warn!("class {name:?}: {warning}");
            }
            if class.spec.provider.as_deref() != Some(PROVIDER) {
                return Err(ClassesError::Provider {
                    name,
                    provider: class.spec.provider.unwrap_or_default(),
                });
            }
            given.push(Given {
                name,
                spec: class.spec,
                mount_path: mount_path.to_owned(),
            });
        }
    }
    Ok(given)
}

fn from_snapshot(json: &str, mount_path: Option<&Path>) -> Result<Vec<Given>, ClassesError> {
    let snapshot = Snapshot::from_json(json).map_err(ClassesError::Snapshot)?;
    if snapshot.classes.is_empty() {
        return Err(ClassesError::None);
    }
    let give = |class: &provider_class::SnapshotClass| Given {
        name: class.name.clone(),
        spec: class.spec(),
        mount_path: mount_path.map_or_else(|| PathBuf::from(&class.mount_path), Path::to_owned),
    };
    Ok(snapshot.classes.iter().map(give).collect())
}

fn check(given: &[Given], default_region: Option<&Region>) -> Result<Vec<Wanted>, ClassesError> {
    let mut parsed = Vec::new();
    let mut invalid = Vec::new();
    for given in given {
        match Class::parse(&given.name, &given.spec, default_region) {
            Ok(ok) => {
                for warning in &ok.warnings {
                    tracing::warn!("class {:?}: {warning}", given.name);
                }
                parsed.push((ok.class, &given.mount_path));
            }
            Err(error) => invalid.push(error),
        }
    }
    if !invalid.is_empty() {
        return Err(ClassesError::Invalid(invalid));
    }
    let mut by_path: BTreeMap<&Path, Vec<&Class>> = BTreeMap::new();
    for (class, mount_path) in &parsed {
        by_path.entry(mount_path).or_default().push(class);
    }
    for (mount_path, classes) in by_path {
        provider_class::collisions(&classes).map_err(|error| ClassesError::Collision {
            mount_path: mount_path.to_owned(),
            error,
        })?;
    }
    let wanted = |(class, mount_path): (Class, &PathBuf)| {
        Ok(Wanted {
            plan: class.plan()?,
            class,
            mount_path: mount_path.clone(),
        })
    };
    parsed.into_iter().map(wanted).collect()
}
