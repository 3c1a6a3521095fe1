//! From an injection to JSON patch operations (RFC 6902).
//!
//! Operations are made one by one, never by comparing whole pods: an index moves when an element is inserted, and a field
//! that this program does not know must come through untouched.

use json_patch::Patch;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, VolumeMount};
use serde_json::json;

use crate::pod::annotations::{INJECTED, STATUS, has_status};
use crate::pod::injection::Injection;
use crate::pod::names::{
    PROGRAM_VOLUME, STATE_VOLUME, TOKEN_VOLUME, VARIABLES_VOLUME, is_chosen, is_injected, is_ours,
    is_volume_of_secrets,
};
use crate::pod::variables::has_variables;

use self::changes::Changes;

mod changes;
mod compare;
mod conflict;
mod mounts;
mod variables;

pub(crate) use conflict::Conflict;
pub(crate) use mounts::warnings;

/// The volumes that the Cluster Autoscaler does not count as data.
///
/// Source: <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node>.
const LOCAL_VOLUMES: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

/// The operations that put an injection into a pod; none where it is in there already.
pub(crate) fn operations(pod: &Pod, injection: &Injection) -> Result<Patch, Conflict> {
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let mut changes = Changes::default();
    check_container_names(pod, spec)?;
    check_volume_names(pod, spec, injection)?;
    put_volumes(spec, injection, &mut changes);
    check_size(&changes)?;
    check_containers(spec, injection)?;
    for (list, containers) in [
        ("initContainers", init_containers(spec)),
        ("containers", &spec.containers),
    ] {
        for (index, container) in containers.iter().enumerate() {
            if !is_injected(&container.name) {
                let path = format!("/spec/{list}/{index}");
                put_container(&path, container, pod, spec, injection, &mut changes)?;
                check_size(&changes)?;
            }
        }
    }
    // Last, because it moves the others.
    put_init_containers(spec, injection, &mut changes);
    put_local_volumes(pod, injection, &mut changes);
    put_status(pod, &mut changes);
    check_size(&changes)?;
    Ok(Patch(changes.operations))
}

/// Checked after each container, so that no more than one is planned in vain.
fn check_size(changes: &Changes) -> Result<(), Conflict> {
    if changes.are_too_large() {
        return Err(Conflict::TooLarge);
    }
    Ok(())
}

/// What a container of the pod's own gets, and what an earlier pass gave it for other annotations.
fn put_container(
    path: &str,
    container: &Container,
    pod: &Pod,
    spec: &PodSpec,
    injection: &Injection,
    changes: &mut Changes,
) -> Result<(), Conflict> {
    if !has_status(pod)
        && let Some(conflict) = variables::foreign(container)
    {
        return Err(conflict);
    }
    let is_chosen = is_chosen(container, injection.containers.as_deref());
    let planned = injection.variables.as_ref().filter(|_| is_chosen);
    let mut needed: Vec<VolumeMount> = Vec::new();
    if planned.is_some() || has_variables(container) {
        let plan = variables::plan(container, planned)?;
        variables::put(path, container, &plan, changes);
        needed = crate::pod::variables::mounts(&plan);
    }
    if is_chosen {
        mounts::put(path, container, injection, &needed, spec, changes)?;
    }
    mounts::remove_old(path, container, &needed, changes);
    Ok(())
}

/// Ours are the first: a service mesh's init containers cut the network until its proxy runs.
fn put_init_containers(spec: &PodSpec, injection: &Injection, changes: &mut Changes) {
    const LIST: &str = "/spec/initContainers";
    let existing = init_containers(spec);
    if existing.is_empty() {
        return changes.add(LIST, json!(injection.init_containers));
    }
    let planned: &Vec<Container> = &injection
        .init_containers
        .iter()
        .map(|planned| {
            let mut existing = existing.iter();
            match existing.find(|other| other.name == planned.name) {
                Some(existing) => compare::with_changes_of_others(planned, existing, spec),
                None => planned.clone(),
            }
        })
        .collect();
    // Where each container is, while the operations move them.
    let mut order: Vec<&Container> = existing.iter().collect();
    while let Some(index) = order.iter().position(|other| is_left(other, planned)) {
        changes.remove(&format!("{LIST}/{index}"));
        order.remove(index);
    }
    if starts_with(&order, planned, spec) {
        return;
    }
    for container in planned.iter().rev() {
        let first = format!("{LIST}/0");
        match order.iter().position(|other| other.name == container.name) {
            Some(index) if compare::is_current(order[index], container, spec) => {
                if index > 0 {
                    changes.shift(&format!("{LIST}/{index}"), &first);
                }
                let moved = order.remove(index);
                order.insert(0, moved);
            }
            found => {
                if let Some(index) = found {
                    changes.remove(&format!("{LIST}/{index}"));
                    order.remove(index);
                }
                changes.add(&first, json!(container));
                order.insert(0, container);
            }
        }
    }
}

/// Is it a sidecar of an earlier pass, in a pod that was exported and does not ask for it any more?
fn is_left(container: &Container, planned: &[Container]) -> bool {
    is_injected(&container.name) && !planned.iter().any(|planned| planned.name == container.name)
}

/// Are the planned containers the first, each as this pass would add it?
fn starts_with(order: &[&Container], planned: &[Container], spec: &PodSpec) -> bool {
    let mut pairs = order.iter().zip(planned);
    order.len() >= planned.len()
        && pairs.all(|(existing, planned)| {
            existing.name == planned.name && compare::is_current(existing, planned, spec)
        })
}

fn init_containers(spec: &PodSpec) -> &[Container] {
    spec.init_containers.as_deref().unwrap_or_default()
}

/// No container of the pod's own has a reserved name, whether it is injected this time or not: the policy of the installation
/// trusts containers of these names.
fn check_container_names(pod: &Pod, spec: &PodSpec) -> Result<(), Conflict> {
    let foreign = init_containers(spec)
        .iter()
        .filter(|container| !is_ours(container, pod))
        .chain(&spec.containers);
    for container in foreign {
        if is_injected(&container.name) {
            return Err(Conflict::Name {
                what: "a container",
                name: container.name.clone(),
            });
        }
    }
    Ok(())
}

fn check_volume_names(pod: &Pod, spec: &PodSpec, injection: &Injection) -> Result<(), Conflict> {
    let has_status = has_status(pod);
    for volume in spec.volumes.iter().flatten() {
        let name = volume.name.as_str();
        // After an earlier pass the volumes are ours, even where another webhook has removed the container. One of a directory
        // that is not asked for any more would be mounted by nobody.
        let is_in_the_way = if has_status {
            is_volume_of_secrets(name) && !has_volume(injection, name)
        } else {
            is_volume_of_secrets(name)
                || matches!(
                    name,
                    TOKEN_VOLUME | STATE_VOLUME | VARIABLES_VOLUME | PROGRAM_VOLUME
                )
        };
        if is_in_the_way {
            return Err(Conflict::Name {
                what: "a volume",
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

fn has_volume(injection: &Injection, name: &str) -> bool {
    injection.volumes.iter().any(|volume| volume.name == name)
}

fn put_volumes(spec: &PodSpec, injection: &Injection, changes: &mut Changes) {
    let existing = spec.volumes.as_deref().unwrap_or_default();
    let mut is_empty = existing.is_empty();
    for volume in &injection.volumes {
        match existing.iter().position(|other| other.name == volume.name) {
            None => changes.append("/spec/volumes", &mut is_empty, json!(volume)),
            Some(index) if compare::is_current_volume(&existing[index], volume) => {}
            Some(index) => changes.replace(&format!("/spec/volumes/{index}"), json!(volume)),
        }
    }
    // Those of variables that an earlier pass added and that are not requested any more.
    for (index, volume) in existing.iter().enumerate().rev() {
        let name = volume.name.as_str();
        if matches!(name, VARIABLES_VOLUME | PROGRAM_VOLUME) && !has_volume(injection, name) {
            changes.remove(&format!("/spec/volumes/{index}"));
        }
    }
}

fn check_containers(spec: &PodSpec, injection: &Injection) -> Result<(), Conflict> {
    for name in injection.containers.iter().flatten() {
        let mut all = init_containers(spec).iter().chain(&spec.containers);
        if !all.any(|container| container.name == *name) {
            return Err(Conflict::NoContainer(name.clone()));
        }
    }
    Ok(())
}

/// Lets the Cluster Autoscaler remove nodes as before: it counts the volume of the program as data that would be lost. The
/// other volumes are in memory, which it does not count.
fn put_local_volumes(pod: &Pod, injection: &Injection, changes: &mut Changes) {
    let annotations = pod.metadata.annotations.as_ref();
    let existing = annotations.and_then(|annotations| annotations.get(LOCAL_VOLUMES));
    let names = existing.iter().flat_map(|names| names.split(','));
    let (ours, mut names): (Vec<&str>, Vec<&str>) = names
        .filter(|name| !name.is_empty())
        .partition(|name| *name == PROGRAM_VOLUME);
    let is_needed = has_volume(injection, PROGRAM_VOLUME);
    if is_needed != ours.is_empty() {
        return;
    }
    if is_needed {
        names.push(PROGRAM_VOLUME);
    }
    if names.is_empty() {
        changes.remove(&annotation_path(LOCAL_VOLUMES));
    } else {
        put_annotation(pod, LOCAL_VOLUMES, &names.join(","), changes);
    }
}

fn put_status(pod: &Pod, changes: &mut Changes) {
    if !has_status(pod) {
        put_annotation(pod, STATUS, INJECTED, changes);
    }
}

fn put_annotation(pod: &Pod, name: &str, value: &str, changes: &mut Changes) {
    // A pod that is injected has annotations, but one in a test may have none.
    if pod.metadata.annotations.is_none() {
        return changes.add("/metadata/annotations", json!({ name: value }));
    }
    changes.add(&annotation_path(name), json!(value));
}

fn annotation_path(name: &str) -> String {
    let name = name.replace('~', "~0").replace('/', "~1");
    format!("/metadata/annotations/{name}")
}

#[cfg(test)]
mod tests;
