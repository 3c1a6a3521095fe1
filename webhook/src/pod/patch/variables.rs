//! The variables and the command of the pod's own containers.

use k8s_openapi::api::core::v1::{Container, EnvVar};
use serde_json::json;

use super::changes::Changes;
use super::conflict::Conflict;
use crate::pod::variables::{
    ContainerPlan, PlannedVariables, Slot, Unset, is_of_volume, is_same_variable, plan_of_container,
};

/// Plans the variables of a container. The error is for the pod's author.
pub(super) fn plan(
    container: &Container,
    planned: Option<&PlannedVariables>,
) -> Result<ContainerPlan, Conflict> {
    plan_of_container(container, planned).map_err(|unset| match unset {
        Unset::Taken(name) => Conflict::Variable {
            container: container.name.clone(),
            name,
        },
        Unset::NoCommand => Conflict::NoCommand(container.name.clone()),
    })
}

/// Gives a container its variables; those of an earlier pass that it is not to have any more go.
pub(super) fn put(path: &str, container: &Container, plan: &ContainerPlan, changes: &mut Changes) {
    put_environment(path, container, &plan.env, changes);
    for index in plan.replaced_sources.iter().rev() {
        changes.remove(&format!("{path}/envFrom/{index}"));
    }
    put_command(path, container, &plan.command, changes);
}

fn put_environment(path: &str, container: &Container, slots: &[Slot], changes: &mut Changes) {
    let existing = container.env.as_deref().unwrap_or_default();
    if existing.is_empty() {
        let variables = slots.iter().filter_map(Slot::injected);
        let variables: Vec<&EnvVar> = variables.collect();
        if !variables.is_empty() {
            changes.add(&format!("{path}/env"), json!(variables));
        }
        return;
    }
    let mut removed = Vec::new();
    let mut added = Vec::new();
    let mut next = 0;
    for (position, slot) in slots.iter().enumerate() {
        match slot {
            Slot::Own(index) => {
                removed.extend(next..*index);
                next = index + 1;
            }
            // Still there from an earlier pass.
            Slot::Injected(variable)
                if existing
                    .get(next)
                    .is_some_and(|other| is_same_variable(other, variable)) =>
            {
                next += 1;
            }
            Slot::Injected(variable) => added.push((position, variable)),
        }
    }
    removed.extend(next..existing.len());
    for index in removed.iter().rev() {
        changes.remove(&format!("{path}/env/{index}"));
    }
    for (position, variable) in added {
        changes.add(&format!("{path}/env/{position}"), json!(variable));
    }
}

fn put_command(path: &str, container: &Container, command: &[String], changes: &mut Changes) {
    if container.command.as_deref().unwrap_or_default() == command {
        return;
    }
    if command.is_empty() {
        changes.remove(&format!("{path}/command"));
    } else {
        changes.add(&format!("{path}/command"), json!(command));
    }
}

/// A variable that reads the volume before any pass has made it.
pub(super) fn foreign(container: &Container) -> Option<Conflict> {
    let mut variables = container.env.iter().flatten();
    let variable = variables.find(|variable| is_of_volume(variable))?;
    Some(Conflict::VariableSource {
        container: container.name.clone(),
        name: variable.name.clone(),
    })
}
