//! Reinvocation: is what an earlier pass put into a pod still what this pass would? The API server has filled in defaults since, and other
//! webhooks may have added to it or taken its image from elsewhere: what counts is what the injection needs.

use k8s_openapi::api::core::v1::{Container, EnvVar, Volume, VolumeMount, VolumeProjection};
use provider_class::{SYNC_VARIABLE, VARIABLES_VARIABLE};

/// The container that fetches.
pub(super) fn is_current(existing: &Container, planned: &Container) -> bool {
    let mut variables = planned.env.iter().flatten();
    let mut mounts = planned.volume_mounts.iter().flatten();
    existing.command == planned.command
        && existing.args == planned.args
        && existing.restart_policy == planned.restart_policy
        && existing.restart_policy_rules == planned.restart_policy_rules
        && variables.all(|variable| has_variable(existing, variable))
        && mounts.all(|mount| has_mount(existing, mount))
        && writes_variables(existing) == writes_variables(planned)
        && applies_secrets(existing) == applies_secrets(planned)
        && user_and_group(existing) == user_and_group(planned)
}

fn has_variable(container: &Container, planned: &EnvVar) -> bool {
    let mut variables = container.env.iter().flatten();
    variables.any(|variable| variable.name == planned.name && same_value(variable, planned))
}

fn has_mount(container: &Container, planned: &VolumeMount) -> bool {
    let mut mounts = container.volume_mounts.iter().flatten();
    mounts.any(|mount| mount.mount_path == planned.mount_path && is_current_mount(mount, planned))
}

/// Would it write a file of variables?
fn writes_variables(container: &Container) -> bool {
    let mut variables = container.env.iter().flatten();
    variables.any(|variable| variable.name == VARIABLES_VARIABLE)
}

/// Would it apply Kubernetes Secrets?
fn applies_secrets(container: &Container) -> bool {
    let mut variables = container.env.iter().flatten();
    variables.any(|variable| variable.name == SYNC_VARIABLE)
}

fn same_value(one: &EnvVar, other: &EnvVar) -> bool {
    // An empty value is left out by some programs.
    one.value.as_deref().unwrap_or_default() == other.value.as_deref().unwrap_or_default()
        && field_path(one) == field_path(other)
}

/// The field of the pod that the variable's value comes from.
fn field_path(variable: &EnvVar) -> Option<&str> {
    let source = variable.value_from.as_ref()?;
    Some(&source.field_ref.as_ref()?.field_path)
}

fn user_and_group(container: &Container) -> Option<(Option<i64>, Option<i64>)> {
    let security = container.security_context.as_ref()?;
    Some((security.run_as_user, security.run_as_group))
}

/// The same part of the same volume, as readable or writable as it should be.
pub(super) fn is_current_mount(existing: &VolumeMount, planned: &VolumeMount) -> bool {
    existing.name == planned.name
        && existing.read_only.unwrap_or_default() == planned.read_only.unwrap_or_default()
        && existing.sub_path.as_deref().unwrap_or_default()
            == planned.sub_path.as_deref().unwrap_or_default()
        && existing.sub_path_expr.is_none()
}

/// A tmpfs, a directory, or the tokens.
pub(super) fn is_current_volume(existing: &Volume, planned: &Volume) -> bool {
    existing.empty_dir.is_some() == planned.empty_dir.is_some()
        && medium(existing) == medium(planned)
        && tokens(existing) == tokens(planned)
}

fn medium(volume: &Volume) -> Option<&str> {
    volume.empty_dir.as_ref()?.medium.as_deref()
}

/// The audience and the path of a projected token.
type Token<'a> = (Option<&'a str>, &'a str);

/// The token of each source of a projected volume; `None` for a source of another kind.
fn tokens(volume: &Volume) -> Option<Vec<Option<Token<'_>>>> {
    let sources = volume.projected.as_ref()?.sources.as_ref()?;
    Some(sources.iter().map(token).collect())
}

fn token(source: &VolumeProjection) -> Option<Token<'_>> {
    let token = source.service_account_token.as_ref()?;
    Some((token.audience.as_deref(), &token.path))
}
