//! What pods, this webhook and the installation's policies agree on: annotations' prefix and status, names, paths. The names are
//! reserved: nothing of the pod's own can have them.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

/// Prefix of all annotations of this project.
pub const PREFIX: &str = "aws-secrets-injector.io/";
/// The annotation that the webhook sets.
pub(crate) const STATUS: &str = "aws-secrets-injector.io/status";
/// The value of [`STATUS`] of a pod that was injected.
pub(crate) const INJECTED: &str = "injected";

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

/// Where the sidecar's state is mounted.
pub(crate) const STATE_DIRECTORY: &str = "/var/lib/aws-secrets-injector";
/// Where the injected containers have the volume of variables, and containers started by `exec` its files.
pub(crate) const VARIABLES_DIRECTORY: &str = "/var/lib/aws-secrets-injector-env";
/// Where the volume with `aws-secrets-exec` is mounted.
pub(crate) const PROGRAM_DIRECTORY: &str = "/var/lib/aws-secrets-injector-bin";
/// The program that sets variables and becomes another program, in the containers that it starts.
pub(crate) const PROGRAM: &str = "/var/lib/aws-secrets-injector-bin/aws-secrets-exec";
/// What stands between its options and the container's own command.
pub(crate) const END_OF_OPTIONS: &str = "--";
/// Its option that sets a variable to a key of a Secret, as `--set=NAME=KEY`.
pub(crate) const SET: &str = "--set=";
/// The same, where the key may be missing.
pub(crate) const SET_OPTIONAL: &str = "--set-optional=";
/// The directory inside each volume that holds the files, made by the injected container.
///
/// Not the volume's root: that is root's, world-writable and sticky, and in such a directory `fs.protected_symlinks`, which
/// systemd sets on nodes, lets only the injector's own user follow the injector's links.
///
/// Source: <https://docs.kernel.org/admin-guide/sysctl/fs.html#protected-symlinks>.
pub(crate) const FILES: &str = "files";

/// The annotation with volumes that the Cluster Autoscaler does not count as data.
///
/// Source: <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node>.
pub(crate) const LOCAL_VOLUMES: &str =
    "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

/// Containers and init containers that a pod may have together.
pub(crate) const MOST_CONTAINERS: usize = 256;

/// Does the pod say that this webhook was here?
pub(crate) fn has_status(pod: &Pod) -> bool {
    let status = pod.annotations().get(STATUS);
    status.is_some_and(|status| status == INJECTED)
}

/// Is it the name of an injected container?
pub(crate) fn is_injected(name: &str) -> bool {
    matches!(name, NAME | REFRESHER)
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

/// Is it the name of an injected volume?
pub(crate) fn is_volume(name: &str) -> bool {
    is_volume_of_secrets(name)
        || matches!(
            name,
            TOKEN_VOLUME | STATE_VOLUME | VARIABLES_VOLUME | PROGRAM_VOLUME
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_run_the_program_where_the_injector_copies_it() {
        let copied = format!("{PROGRAM_DIRECTORY}/{}", provider_class::PROGRAM_FILE);
        assert_eq!(PROGRAM, copied);
    }
}
