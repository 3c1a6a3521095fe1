//! Limits for one pod. They are checked before anything is compared, so that a review costs time in proportion to
//! its size, and its patch has a bound too: a patch has an operation for each pair of a container and a directory.
//!
//! The bounds are far beyond what a kubelet could start.

use k8s_openapi::api::core::v1::Pod;

use crate::pod::contract::MOST_CONTAINERS;
use crate::pod::view::containers;

/// Volumes.
const VOLUMES: usize = 1024;
/// Those of the Secrets Store CSI Driver: as many as the classes that annotations may name.
const CSI_VOLUMES: usize = 64;
/// Mounts of volumes, of all containers together.
const MOUNTS: usize = 4096;
/// Variables with the contents of files, of all containers together.
const VARIABLES: usize = 4096;

/// A pod that exceeds a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pod has {count} {what}, but a pod with secrets can have at most {most}: use fewer")]
pub struct TooMany {
    what: &'static str,
    count: usize,
    most: usize,
}

/// Checks that the pod is within the limits.
pub(crate) fn check(pod: &Pod) -> Result<(), TooMany> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    at_most("containers", containers(pod).count(), MOST_CONTAINERS)?;
    at_most(
        "volumes",
        spec.volumes.as_ref().map_or(0, Vec::len),
        VOLUMES,
    )?;
    let mounts = containers(pod).flat_map(|container| &container.volume_mounts);
    at_most("mounts", mounts.map(Vec::len).sum(), MOUNTS)
}

/// Checks the volumes of the Secrets Store CSI Driver.
pub(crate) fn check_csi_volumes(volumes: usize) -> Result<(), TooMany> {
    at_most(
        "volumes of the Secrets Store CSI Driver",
        volumes,
        CSI_VOLUMES,
    )
}

/// Checks that the containers which get the files can have so many variables each.
pub(crate) fn check_variables(containers: usize, variables: usize) -> Result<(), TooMany> {
    at_most("variables of files", variables * containers, VARIABLES)
}

/// Checks the keys of all Secrets whose every key becomes a variable.
pub(crate) fn check_keys(keys: usize) -> Result<(), TooMany> {
    at_most("keys of Secrets in envFrom", keys, VARIABLES)
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), TooMany> {
    if count > most {
        Err(TooMany { what, count, most })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(spec: &Value) -> Result<(), String> {
        let pod = serde_json::from_value(json!({ "spec": spec })).unwrap();
        check(&pod).map_err(|error| error.to_string())
    }

    #[test]
    fn more_than_an_injected_pod_can_have_is_refused_with_the_bound() {
        let containers = |count: usize| vec![json!({"name": "web"}); count];
        assert_eq!(of(&json!({"containers": containers(256)})), Ok(()));
        let error = of(&json!({"containers": containers(200), "initContainers": containers(57)}));
        assert!(
            error
                .unwrap_err()
                .contains("257 containers, but a pod with secrets can have at most 256")
        );
        let error = of(&json!({"containers": [], "volumes": vec![json!({"name": "v"}); 1025]}));
        assert!(error.unwrap_err().contains("1025 volumes"));
        assert_eq!(check_variables(64, 64), Ok(()));
        let error = check_variables(64, 65).unwrap_err().to_string();
        assert!(error.contains("4160 variables of files"), "{error}");
        let mounts = vec![json!({"name": "v", "mountPath": "/v"}); 2049];
        let twice = vec![json!({"name": "web", "volumeMounts": mounts}); 2];
        assert!(
            of(&json!({"containers": twice}))
                .unwrap_err()
                .contains("4098 mounts")
        );
    }
}
