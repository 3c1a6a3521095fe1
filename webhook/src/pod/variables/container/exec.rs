//! The method `exec`: `aws-secrets-exec` in front of a container's own command.

use std::borrow::Cow;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;
use provider_class::{ENVIRON_FILE, variables::secret_key};

use super::super::{PlannedVariables, VARIABLES_DIRECTORY};
use super::references::{Assignment, Reference};

/// The program that sets variables and becomes another program, in the containers that it starts.
pub(in super::super) const PROGRAM: &str = "/var/lib/aws-secrets-injector-bin/aws-secrets-exec";
/// What stands before the container's own command.
const END_OF_OPTIONS: &str = "--";
/// The option that sets a variable to a key of a Secret, as `--set=NAME=KEY`.
const SET: &str = "--set=";
/// The same, where the key may be missing.
const SET_OPTIONAL: &str = "--set-optional=";

/// A container's command, and what an earlier pass put before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exec<'a> {
    /// The container's own command.
    pub(super) own: &'a [String],
    /// The variables that are set to keys of Secrets, each name once.
    pub(super) assigned: Vec<Assigned<'a>>,
}

/// An option that sets a variable to a key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assigned<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) reference: Reference<'a>,
}

impl<'a> Assigned<'a> {
    fn of(option: &'a str) -> Option<Self> {
        let (assignment, optional) = match option.strip_prefix(SET_OPTIONAL) {
            Some(assignment) => (assignment, true),
            None => (option.strip_prefix(SET)?, false),
        };
        let (name, key) = assignment.split_once('=')?;
        let (secret, key) = secret_key(key)?;
        Some(Self {
            name: if name.contains('$') {
                name.replace("$$", "$").into()
            } else {
                name.into()
            },
            reference: Reference {
                secret,
                key,
                optional,
            },
        })
    }
}

impl<'a> Exec<'a> {
    /// Takes the command apart, however often the injector is in front of it.
    pub(super) fn of(container: &'a Container) -> Self {
        let mut own = container.command.as_deref().unwrap_or_default();
        let mut assigned = Vec::new();
        let mut names = BTreeSet::new();
        while let [program, options @ ..] = own
            && program == PROGRAM
            && let Some(end) = options.iter().position(|word| word == END_OF_OPTIONS)
        {
            for option in &options[..end] {
                if let Some(option) = Assigned::of(option)
                    && names.insert(option.name.clone())
                {
                    assigned.push(option);
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
    assigned: &[Assignment],
) -> Vec<String> {
    let mut command = vec![
        PROGRAM.to_owned(),
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
    for Assignment {
        name,
        key,
        is_optional,
    } in assigned
    {
        let option = if *is_optional { SET_OPTIONAL } else { SET };
        // The kubelet expands $(NAME) in a command, and makes $$ a $.
        let name = name.replace('$', "$$");
        command.push(format!("{option}{name}={key}"));
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
