//! What one container gets: variables with a source (method `kubelet`), or another command (method `exec`).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, FileKeySelector, VolumeMount};
use provider_class::{ENV_FILE, ENVIRON_FILE, EnvMethod};

use super::{PROGRAM_DIRECTORY, PlannedVariables, VARIABLES_DIRECTORY};
use crate::pod::names::{FILES, PROGRAM_VOLUME, VARIABLES_VOLUME};

/// The injector's program in containers that it starts.
pub(super) const PROGRAM: &str = "/var/lib/aws-secrets-injector-bin/aws-secrets-injector";
/// Its command that sets variables and becomes another program.
const EXEC: &str = "exec";
/// What stands before the container's own command.
const END_OF_OPTIONS: &str = "--";

/// Why a container cannot have the pod's variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unset {
    /// It already sets a variable of this name.
    Taken(String),
    /// It has no command that the injector could run.
    NoCommand,
}

/// The variables that the kubelet reads, for a container's `env`.
pub(crate) fn environment(
    container: &Container,
    planned: &PlannedVariables,
) -> Result<Vec<EnvVar>, Unset> {
    let own = own_names(container);
    let mut variables = Vec::new();
    for variable in &planned.variables {
        let name = variable.name.as_str();
        if own.contains(name) {
            if variable.is_of_star {
                continue;
            }
            return Err(Unset::Taken(name.to_owned()));
        }
        if planned.method == EnvMethod::Kubelet {
            variables.push(of_file(name, variable.is_optional));
        }
    }
    Ok(variables)
}

/// The command by which the injector sets the variables and becomes the container's own program.
pub(crate) fn with_exec(
    container: &Container,
    planned: &PlannedVariables,
) -> Result<Vec<String>, Unset> {
    let own_command = own_command(container);
    if own_command.is_empty() {
        return Err(Unset::NoCommand);
    }
    let own = own_names(container);
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
    command.push(END_OF_OPTIONS.to_owned());
    command.extend_from_slice(own_command);
    Ok(command)
}

/// The container's command without what [`with_exec`] puts before it, however often it is there.
pub(crate) fn own_command(container: &Container) -> &[String] {
    let mut command = container.command.as_deref().unwrap_or_default();
    while let [program, exec, options @ ..] = command
        && program == PROGRAM
        && exec == EXEC
        && let Some(end) = options.iter().position(|word| word == END_OF_OPTIONS)
    {
        command = &options[end + 1..];
    }
    command
}

/// The volumes that a container needs, read-only. The kubelet reads its file without any.
pub(crate) fn mounts(planned: &PlannedVariables) -> Vec<VolumeMount> {
    match planned.method {
        EnvMethod::Kubelet => Vec::new(),
        EnvMethod::Exec => vec![
            mount(VARIABLES_VOLUME, VARIABLES_DIRECTORY, Some(FILES)),
            mount(PROGRAM_VOLUME, PROGRAM_DIRECTORY, None),
        ],
    }
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

/// Does the variable come from the volume of variables?
pub(crate) fn is_of_volume(variable: &EnvVar) -> bool {
    source(variable).is_some_and(|source| source.volume_name == VARIABLES_VOLUME)
}

/// Is it the same variable of the same file? The API server fills in `optional: false`.
pub(crate) fn is_same_variable(one: &EnvVar, other: &EnvVar) -> bool {
    let (Some(one_source), Some(other_source)) = (source(one), source(other)) else {
        return false;
    };
    one.name == other.name
        && one.value.as_deref().unwrap_or_default() == other.value.as_deref().unwrap_or_default()
        && one_source.path == other_source.path
        && one_source.key == other_source.key
        && one_source.volume_name == other_source.volume_name
        && one_source.optional.unwrap_or_default() == other_source.optional.unwrap_or_default()
}

fn source(variable: &EnvVar) -> Option<&FileKeySelector> {
    variable.value_from.as_ref()?.file_key_ref.as_ref()
}

fn of_file(name: &str, is_optional: bool) -> EnvVar {
    let file_key_ref = FileKeySelector {
        volume_name: VARIABLES_VOLUME.to_owned(),
        path: format!("{FILES}/{ENV_FILE}"),
        key: name.to_owned(),
        optional: is_optional.then_some(true),
    };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            file_key_ref: Some(file_key_ref),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

/// Names of the variables that the container sets itself.
fn own_names(container: &Container) -> BTreeSet<&str> {
    let own = container.env.iter().flatten();
    own.filter(|variable| !is_of_volume(variable))
        .map(|variable| variable.name.as_str())
        .collect()
}
