//! What one container gets: variables with a source (method `kubelet`), or another command (method `exec`).
//!
//! A reference to a key of a Secret that the pod's classes describe becomes a variable of the same name, in its place.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvVar};
use provider_class::{EnvMethod, VariableName};

use super::PlannedVariables;
use super::exec::{expanded_names, prefix};
use super::rewritten::Rewritten;
use super::source::from_file;
use crate::pod::conflict::Conflict;
use crate::pod::view::Slot;

/// What becomes of a container's variables and command.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ContainerPlan {
    /// Its `env`, if that changes.
    pub(crate) env: Option<Vec<Slot<EnvVar>>>,
    /// The sources of its `envFrom` that are replaced, by index.
    pub(crate) replaced_sources: Vec<usize>,
    /// What the injector runs its commands with, and the kubelet its probes and hooks.
    pub(crate) prefix: Option<Vec<String>>,
    /// The keys of Secrets that it uses, and whether it requires them.
    pub(super) keys: BTreeMap<VariableName, bool>,
    /// Does it not need the Secrets any more that it refers to?
    pub(super) has_served: bool,
    /// Does the injector run its command?
    pub(crate) is_run: bool,
    /// Does it get the files, too?
    pub(crate) is_chosen: bool,
    /// Why its references stay.
    pub(super) unfit: Option<Unfit>,
}

/// Why the method cannot serve a container's references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// `exec` has nothing to run.
    NoCommand,
    /// Kubernetes does not know the variables of `exec`, so `$(NAME)` would stay as it is.
    Expansion,
}

impl ContainerPlan {
    /// A container that gets these variables.
    pub(super) fn new(container: &Container, planned: &PlannedVariables) -> Result<Self, Conflict> {
        let variables = container.env.iter().flatten();
        let own: BTreeSet<&str> = variables.map(|variable| variable.name.as_str()).collect();
        let command = container.command.as_deref().unwrap_or_default();
        let is_exec = planned.method == EnvMethod::Exec;
        check_names(container, planned, &own)?;
        if is_exec && !planned.variables.is_empty() && command.is_empty() {
            return Err(Conflict::NoCommand(container.name.clone()));
        }
        let mut rewritten = Rewritten::new(container, &own, planned);
        let unfit = unfit(container, &rewritten).filter(|_| is_exec);
        if unfit.is_some() {
            rewritten = Rewritten::new(container, &own, &PlannedVariables::none(planned.method));
        }
        let is_run = is_exec && !(planned.variables.is_empty() && rewritten.assigned.is_empty());
        let given = planned.variables.iter().filter(|_| !is_exec);
        let given = given.filter(|variable| !own.contains(variable.name.as_str()));
        let given = given.map(|variable| {
            let name = &variable.name;
            Slot::Injected(from_file(name.as_str(), name, variable.is_optional))
        });
        Ok(Self {
            env: Some(given.chain(rewritten.env).collect()),
            replaced_sources: rewritten.replaced_sources,
            prefix: is_run.then(|| prefix(planned, &own, &rewritten.assigned)),
            keys: rewritten.keys,
            has_served: rewritten.has_served,
            is_run,
            is_chosen: true,
            unfit,
        })
    }
}

/// Why `exec` leaves the references of a container as they are.
fn unfit(container: &Container, rewritten: &Rewritten) -> Option<Unfit> {
    if container.command.iter().flatten().next().is_none() {
        return Some(Unfit::NoCommand);
    }
    let expanded = expanded_names(container);
    let mut assigned = rewritten.assigned.iter();
    assigned
        .any(|assignment| expanded.contains(assignment.name.as_str()))
        .then_some(Unfit::Expansion)
}

/// A variable of an item may not be one that the container sets; one of `*` gives way.
fn check_names(
    container: &Container,
    planned: &PlannedVariables,
    own: &BTreeSet<&str>,
) -> Result<(), Conflict> {
    let mut variables = planned.variables.iter();
    let taken =
        variables.find(|variable| !variable.is_of_star && own.contains(variable.name.as_str()));
    match taken {
        Some(variable) => Err(Conflict::Variable {
            container: container.name.clone(),
            name: variable.name.to_string(),
        }),
        None => Ok(()),
    }
}
