//! What one container gets: variables with a source (method `kubelet`), or another command (method `exec`).
//!
//! A reference to a key of a Secret that the pod's classes describe becomes a variable of the same name, in its place. Each
//! pass starts from what an earlier one left: the references can be read back from it, and return where they are not served
//! any more.

mod exec;
mod references;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvVar, VolumeMount};
use provider_class::{EnvMethod, VariableName};

use super::{PROGRAM_DIRECTORY, PlannedVariables, VARIABLES_DIRECTORY};
use crate::pod::names::{FILES, PROGRAM_VOLUME, VARIABLES_VOLUME};

use self::exec::{Exec, with_exec};
use self::references::References;

#[cfg(test)]
pub(super) use exec::PROGRAM;
pub(crate) use references::{Reference, references};
pub(crate) use source::{is_of_volume, is_same_variable};

/// Why a container cannot have the pod's variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unset {
    /// It already sets a variable of this name.
    Taken(String),
    /// It has no command that the injector could run.
    NoCommand,
}

/// What becomes of a container's variables and command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ContainerPlan {
    /// Its `env`.
    pub(crate) env: Vec<Slot>,
    /// The sources of its `envFrom` that are replaced, by index.
    pub(crate) replaced_sources: Vec<usize>,
    /// Its `command`.
    pub(crate) command: Vec<String>,
    /// The keys of Secrets that it uses, and whether it requires them.
    pub(crate) keys: BTreeMap<VariableName, bool>,
    /// Does it not need the Secrets any more that it refers to?
    pub(crate) has_served: bool,
    /// Does the injector run its command?
    pub(crate) is_run: bool,
}

/// An element of a container's `env`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot {
    /// The container's own, by its index.
    Own(usize),
    /// One of this pass.
    Injected(Box<EnvVar>),
}

impl Slot {
    /// The variable of this pass.
    pub(crate) fn injected(&self) -> Option<&EnvVar> {
        match self {
            Self::Own(_) => None,
            Self::Injected(variable) => Some(variable),
        }
    }
}

/// Why the method cannot serve a container's references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// `exec` has nothing to run.
    NoCommand,
    /// Kubernetes does not know the variables of `exec`, so `$(NAME)` would stay as it is.
    Expansion,
}

/// Did an earlier pass give the container variables?
pub(crate) fn has_variables(container: &Container) -> bool {
    let mut variables = container.env.iter().flatten();
    variables.any(is_of_volume) || exec::is_run(container)
}

/// Plans the variables of a container; without variables, what an earlier pass added goes.
pub(crate) fn plan(
    container: &Container,
    planned: Option<&PlannedVariables>,
) -> Result<ContainerPlan, Unset> {
    let exec = Exec::of(container);
    let own = own_names(container, &exec);
    let method = planned.map(|planned| planned.method);
    if let Some(planned) = planned {
        check_names(planned, &own)?;
        let is_run = planned.method == EnvMethod::Exec && !planned.variables.is_empty();
        if is_run && exec.own.is_empty() {
            return Err(Unset::NoCommand);
        }
    }
    let is_fit = unfit(container, planned).is_none();
    let served = planned.filter(|_| is_fit);
    let references = References::of(container, &exec, &own, planned, served);
    let mut env = Vec::new();
    if let Some(planned) = planned
        && planned.method == EnvMethod::Kubelet
    {
        let given = planned.variables.iter();
        let given = given.filter(|variable| !own.contains(variable.name.as_str()));
        env.extend(given.map(|variable| Slot::Injected(source::of_file(variable).into())));
    }
    env.extend(references.env);
    let is_run = method == Some(EnvMethod::Exec)
        && (!references.assigned.is_empty()
            || planned.is_some_and(|planned| !planned.variables.is_empty()));
    let command = match planned {
        Some(planned) if is_run => with_exec(&exec, planned, &own, &references.assigned),
        _ => exec.own.to_vec(),
    };
    Ok(ContainerPlan {
        env,
        replaced_sources: references.replaced_sources,
        command,
        keys: references.keys,
        has_served: references.are_served,
        is_run,
    })
}

/// Why the references of a container stay as they are.
pub(crate) fn unfit(container: &Container, planned: Option<&PlannedVariables>) -> Option<Unfit> {
    let planned = planned.filter(|planned| planned.method == EnvMethod::Exec)?;
    let exec = Exec::of(container);
    if exec.own.is_empty() {
        return Some(Unfit::NoCommand);
    }
    let own = own_names(container, &exec);
    let references = References::of(container, &exec, &own, Some(planned), Some(planned));
    let expanded = exec::expanded_names(container, exec.own);
    let mut assigned = references.assigned.iter();
    assigned
        .any(|assignment| expanded.contains(assignment.name.as_str()))
        .then_some(Unfit::Expansion)
}

/// A variable of an item may not be one that the container sets; one of `*` gives way.
fn check_names(planned: &PlannedVariables, own: &BTreeSet<&str>) -> Result<(), Unset> {
    for variable in &planned.variables {
        let name = variable.name.as_str();
        if own.contains(name) && !variable.is_of_star {
            return Err(Unset::Taken(name.to_owned()));
        }
    }
    Ok(())
}

/// Names of the variables that the container sets itself, those included that this webhook has taken over.
fn own_names<'a>(container: &'a Container, exec: &'a Exec<'_>) -> BTreeSet<&'a str> {
    let own = container.env.iter().flatten();
    let own = own.filter(|variable| !is_of_volume(variable) || source::key(variable).is_some());
    own.map(|variable| variable.name.as_str())
        .chain(exec.assigned.iter().map(|assigned| assigned.name.as_ref()))
        .collect()
}

/// The volumes that a container needs whose command the injector runs, read-only. The kubelet reads its file without any.
pub(crate) fn mounts(plan: &ContainerPlan) -> Vec<VolumeMount> {
    if !plan.is_run {
        return Vec::new();
    }
    vec![
        mount(VARIABLES_VOLUME, VARIABLES_DIRECTORY, Some(FILES)),
        mount(PROGRAM_VOLUME, PROGRAM_DIRECTORY, None),
    ]
}

fn mount(name: &str, path: &str, sub_path: Option<&str>) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        sub_path: sub_path.map(str::to_owned),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
