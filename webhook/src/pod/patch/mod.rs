//! From a pod and its injection to JSON patch operations (RFC 6902).
//!
//! Operations are made one by one, never by comparing whole pods: an index moves when an element is inserted, and a field
//! that this program does not know must come through untouched. What is there already needs no operation.

use std::collections::BTreeMap;

use json_patch::Patch;
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume, VolumeMount};
use kube::ResourceExt as _;
use serde_json::json;

use crate::pod::conflict::Conflict;
use crate::pod::contract::{
    INJECTED, LOCAL_VOLUMES, PROGRAM_VOLUME, STATUS, has_status, is_injected, is_volume,
    is_volume_of_secrets,
};
use crate::pod::csi;
use crate::pod::injection::Injection;
use crate::pod::strip::{Origin, Stripped};
use crate::pod::variables::ContainerPlan;
use crate::pod::view::{Slot, containers};

use self::changes::Changes;

mod changes;
mod compare;
mod mounts;

pub(crate) use mounts::warnings;

/// The operations that put an injection into a pod; none where it is in there already.
pub(crate) fn operations(pod: &Stripped<'_>, injection: &Injection) -> Result<Patch, Conflict> {
    let empty = PodSpec::default();
    let spec = pod.present.spec.as_ref().unwrap_or(&empty);
    let mut changes = Changes::default();
    put_volumes(spec, injection, &mut changes)?;
    changes.check_size()?;
    let own = containers(&pod.own).zip(&injection.containers);
    for (origin, (container, plan)) in pod.origins.iter().zip(own) {
        put_variables(origin, container, plan.as_ref(), &mut changes);
        put_mounts(
            origin,
            container,
            plan.as_ref(),
            injection,
            pod,
            &mut changes,
        )?;
        changes.check_size()?;
    }
    // Last, because it moves the others.
    put_init_containers(spec, injection, &mut changes);
    put_local_volumes(pod, injection, &mut changes);
    put_replaced(pod, injection, &mut changes);
    put_status(pod, &mut changes);
    changes.check_size()?;
    Ok(Patch(changes.operations))
}

fn put_volumes(
    spec: &PodSpec,
    injection: &Injection,
    changes: &mut Changes,
) -> Result<(), Conflict> {
    let present = spec.volumes.as_deref().unwrap_or_default();
    let planned = injection.volumes.iter();
    let mut missing: BTreeMap<&str, &Volume> = planned
        .map(|volume| (volume.name.as_str(), volume))
        .collect();
    let mut slots = Vec::new();
    for (index, volume) in present.iter().enumerate() {
        match missing.remove(volume.name.as_str()) {
            Some(planned) => slots.push(Slot::Injected(planned)),
            // One of a directory that is not requested any more would be mounted by nobody.
            None if is_volume_of_secrets(&volume.name) => {
                return Err(Conflict::volume(&volume.name));
            }
            None if is_volume(&volume.name) => {}
            None => slots.push(Slot::Own(index)),
        }
    }
    let planned = injection.volumes.iter();
    let missing = planned.filter(|volume| missing.contains_key(volume.name.as_str()));
    slots.extend(missing.map(Slot::Injected));
    changes.put_list(
        "/spec/volumes",
        present,
        slots.into_iter(),
        compare::is_current_volume,
    );
    Ok(())
}

/// Gives a container its variables and command. Those of an earlier pass that it is not to have any more go.
fn put_variables(
    Origin {
        path,
        container: present,
        env: origins,
    }: &Origin<'_>,
    own: &Container,
    plan: Option<&ContainerPlan>,
    changes: &mut Changes,
) {
    let variables = own.env.as_deref().unwrap_or_default();
    let from_own = |index: usize| match origins.get(index) {
        Some(Some(index)) => Slot::Own(*index),
        _ => Slot::Injected(&variables[index]),
    };
    let wanted: Vec<_> = match plan {
        None => (0..variables.len()).map(from_own).collect(),
        Some(plan) => {
            let slots = plan.env.iter().map(|slot| match slot {
                Slot::Own(index) => from_own(*index),
                Slot::Injected(variable) => Slot::Injected(variable),
            });
            slots.collect()
        }
    };
    changes.put_list(
        &format!("{path}/env"),
        present.env.as_deref().unwrap_or_default(),
        wanted.into_iter(),
        compare::is_current_variable,
    );
    for index in plan
        .iter()
        .flat_map(|plan| plan.replaced_sources.iter().rev())
    {
        changes.remove(&format!("{path}/envFrom/{index}"));
    }
    let command = match plan {
        None => own.command.as_deref().unwrap_or_default(),
        Some(plan) => &plan.command,
    };
    if present.command.as_deref().unwrap_or_default() != command {
        let path = format!("{path}/command");
        if command.is_empty() {
            changes.remove(&path);
        } else {
            changes.add(&path, json!(command));
        }
    }
}

/// Mounts the files, and what the variables need, in a container that gets them.
fn put_mounts(
    Origin {
        path, container, ..
    }: &Origin<'_>,
    own: &Container,
    plan: Option<&ContainerPlan>,
    injection: &Injection,
    pod: &Stripped<'_>,
    changes: &mut Changes,
) -> Result<(), Conflict> {
    let for_variables = plan.map(ContainerPlan::mounts).unwrap_or_default();
    let planned: Vec<&VolumeMount> = match plan {
        None => Vec::new(),
        Some(_) => injection.mounts.iter().chain(&for_variables).collect(),
    };
    let replaced = mounts::replaced(own, injection);
    let slots = mounts::slots(container, &planned, &replaced, pod)?;
    changes.put_list(
        &format!("{path}/volumeMounts"),
        container.volume_mounts.as_deref().unwrap_or_default(),
        slots.into_iter(),
        compare::is_current_mount,
    );
    Ok(())
}

/// Ours are the first: a service mesh's init containers cut the network until its proxy runs.
fn put_init_containers(spec: &PodSpec, injection: &Injection, changes: &mut Changes) {
    let present = spec.init_containers.as_deref().unwrap_or_default();
    let planned = injection.init_containers.iter();
    let planned: Vec<Container> = planned
        .map(|planned| {
            let mut present = present.iter();
            match present.find(|other| other.name == planned.name) {
                Some(present) => compare::with_changes_of_others(planned, present, spec),
                None => planned.clone(),
            }
        })
        .collect();
    let own = present.iter().enumerate();
    let own = own.filter(|(_, container)| !is_injected(&container.name));
    let own = own.map(|(index, _)| Slot::Own(index));
    changes.put_list(
        "/spec/initContainers",
        present,
        planned.iter().map(Slot::Injected).chain(own),
        |present, planned| compare::is_current(present, planned, spec),
    );
}

/// Lets the Cluster Autoscaler remove nodes as before: it counts the volume of the program as data that would be lost. The
/// other volumes are in memory, which it does not count.
fn put_local_volumes(pod: &Stripped<'_>, injection: &Injection, changes: &mut Changes) {
    let present = pod.present.annotations().get(LOCAL_VOLUMES);
    let mut names = present.iter().flat_map(|names| names.split(','));
    let mut volumes = injection.volumes.iter();
    let is_needed = volumes.any(|volume| volume.name == PROGRAM_VOLUME);
    if is_needed == names.any(|name| name == PROGRAM_VOLUME) {
        return;
    }
    let own = pod.own.annotations().get(LOCAL_VOLUMES);
    match (is_needed, own.filter(|names| !names.is_empty())) {
        (true, Some(own)) => put_annotation(
            pod,
            LOCAL_VOLUMES,
            &format!("{own},{PROGRAM_VOLUME}"),
            changes,
        ),
        (true, None) => put_annotation(pod, LOCAL_VOLUMES, PROGRAM_VOLUME, changes),
        (false, Some(own)) => put_annotation(pod, LOCAL_VOLUMES, own, changes),
        (false, None) => changes.remove(&annotation_path(LOCAL_VOLUMES)),
    }
}

/// Says which volumes are replaced, for the next pass.
fn put_replaced(pod: &Stripped<'_>, injection: &Injection, changes: &mut Changes) {
    for (name, wanted) in csi::marks(&injection.replaced) {
        let present = pod.present.annotations().get(name);
        match wanted {
            Some(wanted) if present != Some(&wanted) => put_annotation(pod, name, &wanted, changes),
            None if present.is_some() => changes.remove(&annotation_path(name)),
            _ => {}
        }
    }
}

fn put_status(pod: &Stripped<'_>, changes: &mut Changes) {
    if !has_status(pod.present) {
        put_annotation(pod, STATUS, INJECTED, changes);
    }
}

fn put_annotation(pod: &Stripped<'_>, name: &str, value: &str, changes: &mut Changes) {
    // A pod with a volume of the CSI driver may have none.
    const ALL: &str = "/metadata/annotations";
    if pod.present.metadata.annotations.is_none() && !changes.have_added(ALL) {
        changes.add(ALL, json!({}));
    }
    changes.add(&annotation_path(name), json!(value));
}

fn annotation_path(name: &str) -> String {
    let name = name.replace('~', "~0").replace('/', "~1");
    format!("/metadata/annotations/{name}")
}

#[cfg(test)]
mod tests;
