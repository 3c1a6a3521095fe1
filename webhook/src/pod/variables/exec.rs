//! The method `exec`: `aws-secrets-exec` in front of a container's own command.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;
use provider_class::{ENVIRON_FILE, VariableName};

use super::PlannedVariables;
use crate::pod::contract::{END_OF_OPTIONS, PROGRAM, SET, SET_OPTIONAL, VARIABLES_DIRECTORY};

/// A variable that `exec` sets to a key of a Secret.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) key: VariableName,
    /// Is there no variable where the key is missing?
    pub(super) is_optional: bool,
}

/// What goes in front of a command, so that the injector sets the variables and becomes the container's own program.
pub(super) fn prefix(
    planned: &PlannedVariables,
    own: &BTreeSet<&str>,
    assigned: &[Assignment],
) -> Vec<String> {
    let mut wrapped = vec![
        PROGRAM.to_owned(),
        "--env-file".to_owned(),
        format!("{VARIABLES_DIRECTORY}/{ENVIRON_FILE}"),
    ];
    for variable in &planned.variables {
        let name = variable.name.as_str();
        if variable.is_of_star && own.contains(name) {
            // In one word, because a name may start with "-".
            wrapped.push(format!("--except={name}"));
        }
    }
    for Assignment {
        name,
        key,
        is_optional,
    } in assigned
    {
        let option = if *is_optional { SET_OPTIONAL } else { SET };
        // The kubelet expands $(NAME) in a command, and makes $$ a $.
        let name = name.replace('$', "$$");
        wrapped.push(format!("{option}{name}={key}"));
    }
    wrapped.push(END_OF_OPTIONS.to_owned());
    wrapped
}

/// The names in `$(NAME)` of the container's variables, command and arguments.
pub(super) fn expanded_names(container: &Container) -> BTreeSet<&str> {
    let variables = container.env.iter().flatten();
    let values = variables.filter_map(|variable| variable.value.as_ref());
    let command = container.command.iter().flatten();
    let arguments = container.args.iter().flatten();
    let mut names = BTreeSet::new();
    for text in values.chain(command).chain(arguments) {
        for part in text.split("$(").skip(1) {
            names.extend(part.split_once(')').map(|(name, _)| name));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_variables_are_found_in_values_command_and_arguments() {
        let container: Container = serde_json::from_value(serde_json::json!({
            "name": "web",
            "command": ["$(SHELL)"],
            "env": [{"name": "URL", "value": "x://$(USER):$(PASSWORD)@$("}],
            "args": ["--port=$(PORT)", "$HOME"],
        }))
        .unwrap();
        let found = expanded_names(&container);
        assert_eq!(found, ["USER", "PASSWORD", "PORT", "SHELL"].into());
    }
}
