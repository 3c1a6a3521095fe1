//! The mounts of the pod's own containers.

use k8s_openapi::api::core::v1::{Container, PodSpec, VolumeMount};

use crate::pod::conflict::Conflict;
use crate::pod::contract::{NAME, PROGRAM_VOLUME, VARIABLES_VOLUME};
use crate::pod::csi::{files_mount, of_driver};
use crate::pod::injection::Injection;
use crate::pod::strip::{Stripped, mount_path};
use crate::pod::view::containers;

/// The container's own mounts of volumes that are replaced. One that is in the way of ours is left for [`is_kept`] to refuse.
pub(super) fn replaced(
    own: &Container,
    injection: &Injection,
    ours: &[&VolumeMount],
) -> Vec<VolumeMount> {
    let is_in_the_way = |mount: &VolumeMount| {
        let mut ours = ours.iter();
        ours.any(|ours| mount_path(ours) == mount_path(mount) || is_inside(mount, ours))
    };
    let mounts = own.volume_mounts.iter().flatten();
    mounts
        .filter(|mount| injection.replaced.contains_key(&mount.name) && !is_in_the_way(mount))
        .map(files_mount)
        .collect()
}

/// Refuses a mount inside another one of these: the outer one is read-only, so there would be nothing to mount the inner one on.
pub(super) fn check_nested(
    container: &Container,
    planned: &[&VolumeMount],
) -> Result<(), Conflict> {
    let mut sorted: Vec<&VolumeMount> = planned.to_vec();
    // By parts: what is inside a directory comes right behind it.
    sorted.sort_by(|one, other| mount_path(one).split('/').cmp(mount_path(other).split('/')));
    match sorted.windows(2).find(|pair| is_inside(pair[1], pair[0])) {
        Some(pair) => Err(Conflict::Inside {
            container: container.name.clone(),
            volume: pair[1].name.clone(),
            path: pair[1].mount_path.clone(),
        }),
        None => Ok(()),
    }
}

/// Is a mount that is there to stay? The error is one in the way of a planned one.
pub(super) fn is_kept(
    container: &Container,
    other: &VolumeMount,
    at_its_path: Option<&VolumeMount>,
    planned: &[&VolumeMount],
    pod: &Stripped<'_>,
) -> Result<bool, Conflict> {
    let in_the_way = match at_its_path {
        // A writable mount could change what other containers read. One of the volume's root is an earlier version's, from a pod
        // that was exported.
        Some(mount) if mount.name == other.name => return Ok(true),
        _ if pod.has_added(other) => return Ok(false),
        Some(mount) => mount,
        None => match planned.iter().find(|mount| is_inside(other, mount)) {
            Some(mount) => mount,
            None => return Ok(true),
        },
    };
    let (container, volume) = (container.name.clone(), other.name.clone());
    if matches!(in_the_way.name.as_str(), VARIABLES_VOLUME | PROGRAM_VOLUME) {
        return Err(Conflict::Reserved {
            container,
            volume,
            path: other.mount_path.clone(),
            reserved: in_the_way.mount_path.clone(),
        });
    }
    if at_its_path.is_none() {
        return Err(Conflict::Inside {
            container,
            volume,
            path: other.mount_path.clone(),
        });
    }
    let path = mount_path(other).to_owned();
    let spec = pod.own.spec.as_ref();
    Err(
        if spec.is_some_and(|spec| is_of_csi_driver(spec, &volume)) {
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
        },
    )
}

/// Is it a volume of the driver that many pods come from?
fn is_of_csi_driver(spec: &PodSpec, name: &str) -> bool {
    of_driver(spec).any(|(volume, _)| volume.name == name)
}

/// Mounts for which the container runtime probably cannot create a directory.
pub(crate) fn warnings(pod: &Stripped<'_>, injection: &Injection) -> Vec<String> {
    let mut warnings = Vec::new();
    for (container, plan) in containers(&pod.own).zip(&injection.containers) {
        let planned = injection.mounts_of(plan);
        for other in container.volume_mounts.iter().flatten() {
            if other.read_only != Some(true) || other.name.starts_with(NAME) {
                continue;
            }
            if let Some(ours) = planned.iter().find(|mount| is_inside(mount, other)) {
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
    let rest = mount_path(mount).strip_prefix(mount_path(outer));
    rest.is_some_and(|rest| rest.starts_with('/'))
}
