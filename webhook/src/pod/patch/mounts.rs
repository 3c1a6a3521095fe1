//! The mounts of the pod's own containers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, VolumeMount};

use crate::pod::conflict::Conflict;
use crate::pod::contract::{NAME, PROGRAM_VOLUME, VARIABLES_VOLUME};
use crate::pod::csi::files_mount;
use crate::pod::injection::Injection;
use crate::pod::strip::{Stripped, path};
use crate::pod::view::{Slot, containers};

/// The container's own mounts of volumes that are replaced, by their paths.
pub(super) fn replaced<'a>(
    own: &'a Container,
    injection: &Injection,
) -> BTreeMap<&'a str, VolumeMount> {
    let mounts = own.volume_mounts.iter().flatten();
    let mounts = mounts.filter(|mount| injection.replaced.contains_key(&mount.name));
    mounts
        .map(|mount| (path(mount), files_mount(mount)))
        .collect()
}

/// The mounts of a container with those that are planned: each stays where it is mounted already.
pub(super) fn slots<'a>(
    container: &Container,
    planned: &[&'a VolumeMount],
    replaced: &'a BTreeMap<&str, VolumeMount>,
    pod: &Stripped<'_>,
) -> Result<Vec<Slot<&'a VolumeMount>>, Conflict> {
    let paths = planned.iter().map(|mount| (path(mount), *mount));
    let mut missing: BTreeMap<&str, &VolumeMount> = paths.collect();
    let mut slots = Vec::new();
    for (index, other) in container.volume_mounts.iter().flatten().enumerate() {
        match missing.remove(path(other)) {
            // A writable mount could change what other containers read. One of the volume's root is an earlier version's, from
            // a pod that was exported.
            Some(mount) if mount.name == other.name => slots.push(Slot::Injected(mount)),
            Some(mount) => return Err(in_the_way(container, other, mount, pod)),
            None if pod.has_added(other) => {}
            None => {
                if let Some(mount) = planned.iter().find(|mount| is_inside(other, mount)) {
                    return Err(inside(container, other, mount));
                }
                match replaced.get(path(other)) {
                    Some(mount) => slots.push(Slot::Injected(mount)),
                    None => slots.push(Slot::Own(index)),
                }
            }
        }
    }
    let missing = planned
        .iter()
        .filter(|mount| missing.contains_key(path(mount)));
    slots.extend(missing.copied().map(Slot::Injected));
    Ok(slots)
}

/// Another volume where one of ours goes.
fn in_the_way(
    container: &Container,
    other: &VolumeMount,
    planned: &VolumeMount,
    pod: &Stripped<'_>,
) -> Conflict {
    if is_for_variables(planned) {
        return in_reserved_directory(container, other, planned);
    }
    let container = container.name.clone();
    let volume = other.name.clone();
    let path = path(other).to_owned();
    if pod
        .own
        .spec
        .as_ref()
        .is_some_and(|spec| is_of_csi_driver(spec, &volume))
    {
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

/// Another volume below one of ours.
fn inside(container: &Container, other: &VolumeMount, planned: &VolumeMount) -> Conflict {
    if is_for_variables(planned) {
        return in_reserved_directory(container, other, planned);
    }
    Conflict::Inside {
        container: container.name.clone(),
        volume: other.name.clone(),
        path: other.mount_path.clone(),
    }
}

fn is_for_variables(mount: &VolumeMount) -> bool {
    matches!(mount.name.as_str(), VARIABLES_VOLUME | PROGRAM_VOLUME)
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

/// Is it a volume of the driver that many pods come from?
fn is_of_csi_driver(spec: &PodSpec, name: &str) -> bool {
    let mut volumes = spec.volumes.iter().flatten();
    volumes.any(|volume| {
        let csi = volume.csi.as_ref();
        volume.name == name && csi.is_some_and(|csi| csi.driver == "secrets-store.csi.k8s.io")
    })
}

/// Mounts for which the container runtime probably cannot create a directory.
pub(crate) fn warnings(pod: &Stripped<'_>, injection: &Injection) -> Vec<String> {
    let mut warnings = Vec::new();
    for (container, plan) in containers(&pod.own).zip(&injection.containers) {
        let Some(plan) = plan else { continue };
        let for_variables = plan.mounts();
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
    let rest = path(mount).strip_prefix(path(outer));
    rest.is_some_and(|rest| rest.starts_with('/'))
}
