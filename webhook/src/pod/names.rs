//! Names of what is injected. They are reserved: nothing of the pod's own can have them.

use k8s_openapi::api::core::v1::{Container, Pod};
use provider_class::SNAPSHOT_VARIABLE;

use crate::pod::annotations::has_status;

/// Name of the injected container, of the first volume, and start of the other volumes' names.
pub(crate) const NAME: &str = "aws-secrets-injector";
/// Name of the sidecar that refreshes the files.
pub(crate) const REFRESHER: &str = "aws-secrets-refresher";
/// Name of the volume by which the first container tells the sidecar which versions it has written.
pub(crate) const STATE_VOLUME: &str = "aws-secrets-injector-state";
/// Name of the volume with the tokens.
pub(crate) const TOKEN_VOLUME: &str = "aws-secrets-injector-token";
/// Name of the volume with the file of variables, a tmpfs.
pub(crate) const VARIABLES_VOLUME: &str = "aws-secrets-injector-env";
/// Name of the volume with `aws-secrets-exec`, which starts containers whose variables it sets.
pub(crate) const PROGRAM_VOLUME: &str = "aws-secrets-injector-bin";
/// The directory inside each volume that holds the files, made by the injected container.
///
/// Not the volume's root: that is root's, world-writable and sticky, and in such a directory `fs.protected_symlinks`, which
/// systemd sets on nodes, lets only the injector's own user follow the injector's links.
///
/// Source: <https://docs.kernel.org/admin-guide/sysctl/fs.html#protected-symlinks>.
pub(crate) const FILES: &str = "files";

/// Is it the name of an injected container?
pub(crate) fn is_injected(name: &str) -> bool {
    matches!(name, NAME | REFRESHER)
}

/// The container that an earlier pass of this webhook added: another webhook's change may have made the API server ask
/// again.
pub(crate) fn is_ours(container: &Container, pod: &Pod) -> bool {
    let mut variables = container.env.iter().flatten();
    is_injected(&container.name)
        && has_status(pod)
        && variables.any(|variable| variable.name == SNAPSHOT_VARIABLE)
}

/// All containers that the pod came with, init containers first.
pub(crate) fn own_containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| {
        spec.init_containers
            .iter()
            .flatten()
            .chain(&spec.containers)
    })
    .filter(|container| !is_injected(&container.name))
}

/// Does this init container keep running beside the others?
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Is it the name of a volume for secrets? The first is named [`NAME`], those of further directories have a number appended.
pub(crate) fn is_volume_of_secrets(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(NAME) else {
        return false;
    };
    let number = rest.strip_prefix('-');
    rest.is_empty()
        || number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        })
}

/// Does this container of the pod's own get the files, if only these containers do?
pub(crate) fn is_chosen(container: &Container, names: Option<&[String]>) -> bool {
    !is_injected(&container.name) && names.is_none_or(|names| names.contains(&container.name))
}
