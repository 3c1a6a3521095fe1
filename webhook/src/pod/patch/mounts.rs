//! The mounts of the pod's own containers.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, VolumeMount};
use serde_json::json;

use super::changes::Changes;
use super::compare;
use super::conflict::Conflict;
use super::{init_containers, variables};
use crate::pod::injection::Injection;
use crate::pod::names::{NAME, PROGRAM_VOLUME, VARIABLES_VOLUME, is_chosen};
use crate::pod::variables::{PROGRAM_DIRECTORY, VARIABLES_DIRECTORY, mounts};

/// Mounts the files, and what the variables need, in a container that gets them.
pub(super) fn put(
    path: &str,
    container: &Container,
    injection: &Injection,
    for_variables: &[VolumeMount],
    spec: &PodSpec,
    changes: &mut Changes,
) -> Result<(), Conflict> {
    let existing = container.volume_mounts.as_deref().unwrap_or_default();
    let mut is_empty = existing.is_empty();
    for mount in &injection.mounts {
        if let Some(other) = existing.iter().find(|other| is_inside(other, mount)) {
            return Err(Conflict::Inside {
                container: container.name.clone(),
                volume: other.name.clone(),
                path: other.mount_path.clone(),
            });
        }
        put_one(path, existing, mount, &mut is_empty, changes)
            .map_err(|other| in_the_way(container, other, spec))?;
    }
    for mount in for_variables {
        if let Some(other) = existing.iter().find(|other| is_inside(other, mount)) {
            return Err(in_reserved_directory(container, other, mount));
        }
        put_one(path, existing, mount, &mut is_empty, changes)
            .map_err(|other| in_reserved_directory(container, other, mount))?;
    }
    Ok(())
}

/// Adds or corrects one mount. The error is another volume at its path.
fn put_one<'a>(
    path: &str,
    existing: &'a [VolumeMount],
    mount: &VolumeMount,
    is_empty: &mut bool,
    changes: &mut Changes,
) -> Result<(), &'a VolumeMount> {
    match existing.iter().position(|other| same_path(other, mount)) {
        None => changes.append(&format!("{path}/volumeMounts"), is_empty, json!(mount)),
        Some(index) if existing[index].name == mount.name => {
            // A writable mount could change what other containers read. One of the volume's root is an earlier version's, from
            // a pod that was exported.
            if !compare::is_current_mount(&existing[index], mount) {
                changes.replace(&format!("{path}/volumeMounts/{index}"), json!(mount));
            }
        }
        Some(index) => return Err(&existing[index]),
    }
    Ok(())
}

/// Another volume where the files go.
fn in_the_way(container: &Container, other: &VolumeMount, spec: &PodSpec) -> Conflict {
    let container = container.name.clone();
    let volume = other.name.clone();
    let path = other.mount_path.trim_end_matches('/').to_owned();
    if is_of_csi_driver(spec, &volume) {
        Conflict::CsiDriver {
            container,
            volume,
            path,
        }
    } else {
        Conflict::Path {
            container,
            volume,
            path,
        }
    }
}

/// Another volume in a directory that the variables need.
fn in_reserved_directory(
    container: &Container,
    other: &VolumeMount,
    planned: &VolumeMount,
) -> Conflict {
    Conflict::Reserved {
        container: container.name.clone(),
        volume: other.name.clone(),
        path: other.mount_path.clone(),
        reserved: planned.mount_path.clone(),
    }
}

/// Removes the mounts for variables that an earlier pass added and this one does not need.
pub(super) fn remove_old(
    path: &str,
    container: &Container,
    needed: &[VolumeMount],
    changes: &mut Changes,
) {
    let existing = container.volume_mounts.as_deref().unwrap_or_default();
    for (index, mount) in existing.iter().enumerate().rev() {
        let is_added = matches!(
            (mount.name.as_str(), mount.mount_path.as_str()),
            (VARIABLES_VOLUME, VARIABLES_DIRECTORY) | (PROGRAM_VOLUME, PROGRAM_DIRECTORY)
        );
        if is_added && !needed.iter().any(|needed| needed.name == mount.name) {
            changes.remove(&format!("{path}/volumeMounts/{index}"));
        }
    }
}

/// Is it a volume of the driver that many pods come from?
fn is_of_csi_driver(spec: &PodSpec, name: &str) -> bool {
    let mut volumes = spec.volumes.iter().flatten();
    volumes.any(|volume| {
        let csi = volume.csi.as_ref();
        volume.name == name && csi.is_some_and(|csi| csi.driver == "secrets-store.csi.k8s.io")
    })
}

/// Mounts for which the container runtime probably cannot create a directory.
pub(crate) fn warnings(pod: &Pod, injection: &Injection) -> Vec<String> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let chosen = init_containers(spec)
        .iter()
        .chain(&spec.containers)
        .filter(|container| is_chosen(container, injection.containers.as_deref()));
    let mut warnings = Vec::new();
    for container in chosen {
        let plan = variables::plan(container, injection.variables.as_ref());
        let for_variables = plan.map_or_else(|_| Vec::new(), |plan| mounts(&plan));
        for other in container.volume_mounts.iter().flatten() {
            if other.read_only != Some(true) || other.name.starts_with(NAME) {
                continue;
            }
            let mut all = injection.mounts.iter().chain(&for_variables);
            if let Some(ours) = all.find(|mount| is_inside(mount, other)) {
                warnings.push(format!(
                    "container {:?} mounts the volume {:?} read-only at {}: the directory {} for the secrets must already exist in it",
                    container.name, other.name, other.mount_path, ours.mount_path
                ));
            }
        }
    }
    warnings
}

/// Is the first mount below the second?
fn is_inside(mount: &VolumeMount, outer: &VolumeMount) -> bool {
    let outer = outer.mount_path.trim_end_matches('/');
    let rest = mount.mount_path.trim_end_matches('/').strip_prefix(outer);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

fn same_path(one: &VolumeMount, other: &VolumeMount) -> bool {
    one.mount_path.trim_end_matches('/') == other.mount_path.trim_end_matches('/')
}
