//! The variables and the command of the pod's own containers.

use k8s_openapi::api::core::v1::Container;
use provider_class::EnvMethod;
use serde_json::json;

use super::changes::Changes;
use super::conflict::Conflict;
use crate::pod::variables::{
    PlannedVariables, Unset, environment, is_of_volume, is_same_variable, own_command, with_exec,
};

/// Gives a container its variables; those of an earlier pass that it is not to have any more go.
pub(super) fn put(
    path: &str,
    container: &Container,
    planned: Option<&PlannedVariables>,
    changes: &mut Changes,
) -> Result<(), Conflict> {
    put_environment(path, container, planned, changes)
        .and_then(|()| put_command(path, container, planned, changes))
        .map_err(|unset| match unset {
            Unset::Taken(name) => Conflict::Variable {
                container: container.name.clone(),
                name,
            },
            Unset::NoCommand => Conflict::NoCommand(container.name.clone()),
        })
}

fn put_environment(
    path: &str,
    container: &Container,
    planned: Option<&PlannedVariables>,
    changes: &mut Changes,
) -> Result<(), Unset> {
    let variables = match planned {
        Some(planned) => environment(container, planned)?,
        None => Vec::new(),
    };
    let existing = container.env.as_deref().unwrap_or_default();
    let mut added = Vec::new();
    for (index, variable) in existing.iter().enumerate() {
        if is_of_volume(variable) {
            added.push(index);
        }
    }
    // Before the container's own, which may refer to them by $(NAME).
    let is_current = added.len() == variables.len()
        && existing
            .iter()
            .zip(&variables)
            .all(|(one, other)| is_same_variable(one, other));
    if is_current {
        return Ok(());
    }
    if existing.is_empty() {
        changes.add(&format!("{path}/env"), json!(variables));
        return Ok(());
    }
    for index in added.iter().rev() {
        changes.remove(&format!("{path}/env/{index}"));
    }
    for (index, variable) in variables.iter().enumerate() {
        changes.add(&format!("{path}/env/{index}"), json!(variable));
    }
    Ok(())
}

fn put_command(
    path: &str,
    container: &Container,
    planned: Option<&PlannedVariables>,
    changes: &mut Changes,
) -> Result<(), Unset> {
    let command = match planned {
        Some(planned) if planned.method == EnvMethod::Exec => with_exec(container, planned)?,
        _ => own_command(container).to_vec(),
    };
    if container.command.as_deref().unwrap_or_default() == command {
        return Ok(());
    }
    if command.is_empty() {
        changes.remove(&format!("{path}/command"));
    } else {
        changes.add(&format!("{path}/command"), json!(command));
    }
    Ok(())
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
