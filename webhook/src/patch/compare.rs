//! Is what an earlier pass put into a pod still what this pass would? The API server has filled in defaults since, and other
//! webhooks may have added to it or taken its image from elsewhere: what counts is what the injection needs.

use k8s_openapi::api::core::v1::{Container, EnvVar, Volume, VolumeMount};

/// The container that fetches.
pub(super) fn is_current(existing: &Container, planned: &Container) -> bool {
    let variables = existing.env.as_deref().unwrap_or_default();
    let has_variable = |wanted: &EnvVar| {
        variables
            .iter()
            .any(|variable| variable.name == wanted.name && same_value(variable, wanted))
    };
    let mounts = existing.volume_mounts.as_deref().unwrap_or_default();
    let has_mount = |wanted: &VolumeMount| {
        mounts.iter().any(|mount| {
            mount.name == wanted.name
                && mount.mount_path == wanted.mount_path
                && mount.read_only.unwrap_or_default() == wanted.read_only.unwrap_or_default()
        })
    };
    existing.command == planned.command
        && existing.args == planned.args
        && existing.restart_policy == planned.restart_policy
        && planned.env.iter().flatten().all(has_variable)
        && planned.volume_mounts.iter().flatten().all(has_mount)
        && same_identity(existing, planned)
}

fn same_value(one: &EnvVar, other: &EnvVar) -> bool {
    let field = |variable: &EnvVar| {
        let source = variable.value_from.as_ref()?;
        Some(source.field_ref.as_ref()?.field_path.clone())
    };
    // An empty value is left out by some programs.
    let value = |variable: &EnvVar| variable.value.clone().unwrap_or_default();
    value(one) == value(other) && field(one) == field(other)
}

fn same_identity(existing: &Container, planned: &Container) -> bool {
    let identity = |container: &Container| {
        let security = container.security_context.as_ref()?;
        Some((security.run_as_user, security.run_as_group))
    };
    identity(existing) == identity(planned)
}

/// A tmpfs, or the tokens.
pub(super) fn is_current_volume(existing: &Volume, planned: &Volume) -> bool {
    let medium = |volume: &Volume| volume.empty_dir.as_ref()?.medium.clone();
    let tokens = |volume: &Volume| {
        let sources = volume.projected.as_ref()?.sources.clone()?;
        let token = |source: &k8s_openapi::api::core::v1::VolumeProjection| {
            let token = source.service_account_token.as_ref()?;
            Some((token.audience.clone(), token.path.clone()))
        };
        Some(sources.iter().map(token).collect::<Vec<_>>())
    };
    medium(existing) == medium(planned) && tokens(existing) == tokens(planned)
}
