//! The method `exec`: the injector in front of a container's own command.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;
use provider_class::{ENVIRON_FILE, VariableName};

use super::super::{PlannedVariables, VARIABLES_DIRECTORY};

/// The injector's program in containers that it starts.
pub(in super::super) const PROGRAM: &str = "/var/lib/aws-secrets-injector-bin/aws-secrets-injector";
/// Its command that sets variables and becomes another program.
const EXEC: &str = "exec";
/// What stands before the container's own command.
const END_OF_OPTIONS: &str = "--";
/// The option that sets a variable to a key of a Secret, as `--set=NAME=KEY`.
const SET: &str = "--set=";

/// A container's command, and what an earlier pass put before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exec<'a> {
    /// The container's own command.
    pub(super) own: &'a [String],
    /// The variables that are set to keys of Secrets, each name once.
    pub(super) assigned: Vec<(&'a str, &'a str)>,
}

impl<'a> Exec<'a> {
    /// Takes the command apart, however often the injector is in front of it.
    pub(super) fn of(container: &'a Container) -> Self {
        let mut own = container.command.as_deref().unwrap_or_default();
        let mut assigned = Vec::new();
        let mut names = BTreeSet::new();
        while let [program, exec, options @ ..] = own
            && program == PROGRAM
            && exec == EXEC
            && let Some(end) = options.iter().position(|word| word == END_OF_OPTIONS)
        {
            for option in &options[..end] {
                let assignment = option.strip_prefix(SET);
                if let Some((name, key)) = assignment.and_then(|text| text.split_once('='))
                    && names.insert(name)
                {
                    assigned.push((name, key));
                }
            }
            own = &options[end + 1..];
        }
        Self { own, assigned }
    }
}

/// Is the container's command one that the injector runs?
pub(super) fn is_run(container: &Container) -> bool {
    let program = container.command.iter().flatten().next();
    program.is_some_and(|program| program == PROGRAM)
}

/// The command by which the injector sets the variables and becomes the container's own program.
pub(super) fn with_exec(
    exec: &Exec<'_>,
    planned: &PlannedVariables,
    own: &BTreeSet<&str>,
    assigned: &[(String, VariableName)],
) -> Vec<String> {
    let mut command = vec![
        PROGRAM.to_owned(),
        EXEC.to_owned(),
        "--env-file".to_owned(),
        format!("{VARIABLES_DIRECTORY}/{ENVIRON_FILE}"),
    ];
    for variable in &planned.variables {
        let name = variable.name.as_str();
        if variable.is_of_star && own.contains(name) {
            // In one word, because a name may start with "-".
            command.push(format!("--except={name}"));
        }
    }
    for (name, key) in assigned {
        command.push(format!("{SET}{name}={key}"));
    }
    command.push(END_OF_OPTIONS.to_owned());
    command.extend_from_slice(exec.own);
    command
}

/// The names in `$(NAME)` of the container's variables, command and arguments.
pub(super) fn expanded_names<'a>(
    container: &'a Container,
    command: &'a [String],
) -> BTreeSet<&'a str> {
    let variables = container.env.iter().flatten();
    let values = variables.filter_map(|variable| variable.value.as_ref());
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
            "env": [{"name": "URL", "value": "x://$(USER):$(PASSWORD)@$("}],
            "args": ["--port=$(PORT)", "$HOME"],
        }))
        .unwrap();
        let command = ["$(SHELL)".to_owned()];
        let found = expanded_names(&container, &command);
        assert_eq!(found, ["USER", "PASSWORD", "PORT", "SHELL"].into());
    }
}
