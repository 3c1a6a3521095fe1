//! Environment variables with the contents of files: what a pod requests, and the file of each variable.
//!
//! A value never passes through here. The webhook tells the injector which files become variables; the injector writes one file
//! of all variables, and the kubelet or `aws-secrets-exec` reads it when a container starts.

mod container;
mod exec;
mod references;
mod rewritten;
mod secrets;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use provider_class::{EnvMethod, Presence, Variable, VariableName, Variables, listed};

use crate::pod::annotations::{Item, RequestedVariables};
use crate::pod::class::MountedClass;
use crate::pod::contract::{FILES, PROGRAM_DIRECTORY, VARIABLES_DIRECTORY};
use crate::pod::snapshot_size;

pub(crate) use container::ContainerPlan;
pub use references::{NoSuchKey, UnusableReference};
pub(crate) use references::{exist as references_exist, plan_containers, serve};
pub use secrets::ServedSecrets;

/// The variables of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedVariables {
    /// How they reach the containers.
    pub method: EnvMethod,
    /// In the order of the annotation, followed by those of `*`. Each name once.
    pub variables: Vec<PlannedVariable>,
    /// The Secrets that the containers refer to.
    pub secrets: ServedSecrets,
    /// The keys of these Secrets that the containers use. Their names are those of the file of variables.
    pub keys: Vec<PlannedVariable>,
}

/// A variable and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedVariable {
    /// The variable's name.
    pub name: VariableName,
    /// The file's directory, in the app's containers.
    pub mount_path: String,
    /// The file's path there.
    pub file: String,
    /// Whether it comes from `*`. Then a variable that the container sets itself takes precedence.
    pub is_of_star: bool,
    /// Whether the file may be missing. Then the variable is not set.
    pub is_optional: bool,
}

impl PlannedVariables {
    /// No variables yet.
    pub(crate) fn none(method: EnvMethod) -> Self {
        Self {
            method,
            variables: Vec::new(),
            secrets: ServedSecrets::default(),
            keys: Vec::new(),
        }
    }

    /// Is there nothing to write? Then containers only lose references that later variables of theirs hide.
    pub(crate) fn is_empty(&self) -> bool {
        self.variables.is_empty() && self.keys.is_empty()
    }

    /// Bytes that they take in the injector's environment variable.
    fn bytes(&self) -> usize {
        self.for_injector().to_json().len()
    }

    /// What the injector is told.
    pub(crate) fn for_injector(&self) -> Variables {
        let has_program = self.method == EnvMethod::Exec;
        let all = self.variables.iter().chain(&self.keys);
        let variables = all.map(|planned| Variable {
            name: planned.name.clone(),
            mount_path: format!("{}/{FILES}", planned.mount_path),
            file: planned.file.clone(),
            is_optional: planned.is_optional,
        });
        Variables {
            method: self.method,
            directory: format!("{VARIABLES_DIRECTORY}/{FILES}"),
            program_directory: has_program.then(|| PROGRAM_DIRECTORY.to_owned()),
            variables: variables.collect(),
        }
    }
}

/// A file of the pod's classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PodFile<'a> {
    mount_path: &'a str,
    path: &'a str,
    presence: Presence,
}

/// The files of a pod.
struct PodFiles<'a> {
    classes: &'a [MountedClass],
    /// Those whose names are known.
    by_path: BTreeMap<&'a str, Vec<PodFile<'a>>>,
    directories: BTreeSet<&'a str>,
}

/// Finds the file of each variable. The error is for the author of the annotation `env`.
pub(crate) fn plan(
    requested: &RequestedVariables,
    method: EnvMethod,
    classes: &[MountedClass],
) -> Result<PlannedVariables, String> {
    let files = PodFiles::of(classes);
    let mut variables = Vec::new();
    let mut names = BTreeSet::new();
    for item in &requested.items {
        names.insert(&item.name);
        variables.push(planned(item.name.clone(), files.find(item)?, false));
    }
    if requested.all {
        for (name, several) in files.of_star() {
            if names.contains(&name) {
                continue;
            }
            if several.len() > 1 {
                let path = several[0].path;
                return Err(format!(
                    "\"*\" finds {path:?} in several directories ({}): add an item for the one to use, such as {name}={}/{path}",
                    directories(&several),
                    several[0].mount_path
                ));
            }
            variables.push(planned(name, several[0], true));
        }
        if variables.is_empty() {
            return Err(format!(
                "\"*\" finds no objectAlias that is a variable name (letters, digits, \"_\"): set one in the class, or write NAME=FILE; {}",
                files.list()
            ));
        }
    }
    let planned = PlannedVariables {
        variables,
        ..PlannedVariables::none(method)
    };
    let bytes = planned.bytes();
    if bytes > snapshot_size::MOST {
        return Err(format!(
            "its variables take {bytes} bytes in an environment variable of the injector, which can hold at most {}: use fewer",
            snapshot_size::MOST
        ));
    }
    Ok(planned)
}

fn planned(name: VariableName, file: PodFile<'_>, is_of_star: bool) -> PlannedVariable {
    PlannedVariable {
        name,
        mount_path: file.mount_path.to_owned(),
        file: file.path.to_owned(),
        is_of_star,
        is_optional: file.presence == Presence::Optional,
    }
}

impl<'a> PodFiles<'a> {
    fn of(classes: &'a [MountedClass]) -> Self {
        let mut by_path: BTreeMap<&str, Vec<PodFile<'_>>> = BTreeMap::new();
        let mut directories = BTreeSet::new();
        for mounted in classes {
            let mount_path = mounted.mount_path.as_str();
            directories.insert(mount_path);
            for (file, presence) in mounted.class.files_with_presence() {
                let path = file.path.as_str();
                let several = by_path.entry(path).or_default();
                several.push(PodFile {
                    mount_path,
                    path,
                    presence,
                });
            }
        }
        Self {
            classes,
            by_path,
            directories,
        }
    }

    /// The files that `*` stands for, by the variable's name.
    fn of_star(&self) -> BTreeMap<VariableName, Vec<PodFile<'a>>> {
        let mut by_name: BTreeMap<VariableName, Vec<PodFile<'_>>> = BTreeMap::new();
        for mounted in self.classes {
            for (name, file, presence) in mounted.class.variables() {
                by_name.entry(name).or_default().push(PodFile {
                    mount_path: &mounted.mount_path,
                    path: file.path.as_str(),
                    presence,
                });
            }
        }
        by_name
    }

    fn find(&self, item: &'a Item) -> Result<PodFile<'a>, String> {
        match self.by_path.get(item.file.as_str()).map(Vec::as_slice) {
            Some([file]) => return Ok(*file),
            Some(several) => {
                return Err(format!(
                    "{}: {:?} is in several directories ({}): write its absolute path, such as {}={}/{}",
                    item.name,
                    item.file,
                    directories(several),
                    item.name,
                    several[0].mount_path,
                    item.file
                ));
            }
            None => {}
        }
        for directory in &self.directories {
            let rest = item.file.strip_prefix(directory);
            let Some(path) = rest.and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            let mut named = self.by_path.get(path).into_iter().flatten();
            if let Some(file) = named.find(|file| file.mount_path == *directory) {
                return Ok(*file);
            }
        }
        if let Some(file) = self.open(&item.file) {
            return Ok(file);
        }
        Err(format!(
            "{}: the pod's classes have no file {:?}; {}",
            item.name,
            item.file,
            self.list()
        ))
    }

    /// A file that a class could make of a key or parameter, by its path in its directory or its absolute path. The injector
    /// finds out whether it does.
    fn open(&self, file: &'a str) -> Option<PodFile<'a>> {
        let mut found = None;
        for MountedClass {
            class, mount_path, ..
        } in self.classes
        {
            let below = file
                .strip_prefix(mount_path.as_str())
                .and_then(|rest| rest.strip_prefix('/'));
            let path = below.unwrap_or(file);
            if let Some(presence) = class.presence(path) {
                let file = PodFile {
                    mount_path,
                    path,
                    presence,
                };
                found = found.or(Some(file));
            }
        }
        found
    }

    /// The files, for an error.
    fn list(&self) -> String {
        let known = self.by_path.keys().map(|path| (*path).to_owned());
        let open = self
            .classes
            .iter()
            .flat_map(|mounted| mounted.class.open_files());
        let names: Vec<String> = known.chain(open.map(ToString::to_string)).collect();
        format!("the files are {}", listed(&names))
    }
}

fn directories(files: &[PodFile<'_>]) -> String {
    let paths: Vec<&str> = files.iter().map(|file| file.mount_path).collect();
    paths.join(", ")
}

#[cfg(test)]
mod tests;
