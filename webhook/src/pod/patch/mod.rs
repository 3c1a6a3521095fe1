//! From a pod and its injection to JSON patch operations (RFC 6902).
//!
//! Operations are made one by one, never by comparing whole pods: an index moves when an element is inserted, and a field
//! that this program does not know must come through untouched. What is there already needs no operation.

use std::collections::BTreeMap;

use json_patch::Patch;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Volume, VolumeMount};
use kube::ResourceExt as _;
use serde_json::json;

use crate::pod::class_hash::CLASS_HASH;
use crate::pod::conflict::Conflict;
use crate::pod::contract::{
    INJECTED, LOCAL_VOLUMES, PROGRAM_VOLUME, STATUS, has_status, is_injected, is_volume,
    is_volume_of_secrets,
};
use crate::pod::csi::{self, CsiVolume};
use crate::pod::injection::Injection;
use crate::pod::strip::{Origin, Stripped, mount_path};
use crate::pod::variables::ContainerPlan;
use crate::pod::view::{Slot, containers, exec_actions};

use self::changes::{Changes, merged};

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
        put_variables(origin, container, plan, &mut changes);
        let ours = injection.mounts_of(plan);
        let replaced = mounts::replaced(container, injection, &ours);
        let planned: Vec<_> = ours.into_iter().chain(&replaced).collect();
        if !replaced.is_empty() {
            mounts::check_nested(container, &planned)?;
        }
        put_mounts(origin, &planned, pod, &mut changes)?;
        changes.check_size()?;
    }
    // Last, because it moves the others.
    put_init_containers(spec, injection, &mut changes);
    put_local_volumes(pod, injection, &mut changes);
    put_replaced(pod, &injection.replaced, &mut changes);
    put_class_hash(pod, injection, &mut changes);
    if !has_status(pod.present) {
        put_annotation(pod, STATUS, INJECTED, &mut changes);
    }
    changes.check_size()?;
    Ok(Patch(changes.operations))
}

fn put_volumes(
    spec: &PodSpec,
    injection: &Injection,
    changes: &mut Changes,
) -> Result<(), Conflict> {
    let present = spec.volumes.as_deref().unwrap_or_default();
    let planned: Vec<&Volume> = injection.volumes.iter().collect();
    let is_kept = |volume: &Volume, planned: Option<&Volume>| match planned {
        // One of a directory that is not requested any more would be mounted by nobody.
        None if is_volume_of_secrets(&volume.name) => Err(Conflict::volume(&volume.name)),
        None => Ok(!is_volume(&volume.name)),
        Some(_) => Ok(true),
    };
    let wanted = merged(present, &planned, |volume| &volume.name, is_kept)?;
    let is_same = compare::is_current_volume;
    changes.put_list("/spec/volumes", present, wanted, is_same);
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
    plan: &ContainerPlan,
    changes: &mut Changes,
) {
    let variables = own.env.as_deref().unwrap_or_default();
    let from_own = |index: usize| match origins.as_ref().map_or(Some(index), |all| all[index]) {
        Some(index) => Slot::Own(index),
        None => Slot::Injected(&variables[index]),
    };
    let wanted: Option<Vec<_>> = match &plan.env {
        None => (origins.as_ref()).map(|_| (0..variables.len()).map(from_own).collect()),
        Some(slots) => {
            let wanted = slots.iter().map(|slot| match slot {
                Slot::Own(index) => from_own(*index),
                Slot::Injected(variable) => Slot::Injected(variable),
            });
            Some(wanted.collect())
        }
    };
    if let Some(wanted) = wanted {
        let present = present.env.as_deref().unwrap_or_default();
        let is_same = compare::is_current_variable;
        changes.put_list(&format!("{path}/env"), present, wanted, is_same);
    }
    for index in plan.replaced_sources.iter().rev() {
        changes.remove(&format!("{path}/envFrom/{index}"));
    }
    let prefix = plan.prefix.as_deref().unwrap_or_default();
    let own_command = own.command.as_deref().unwrap_or_default();
    let command = [prefix, own_command].concat();
    if present.command.as_deref().unwrap_or_default() != command {
        let path = format!("{path}/command");
        if command.is_empty() {
            changes.remove(&path);
        } else {
            changes.add(&path, json!(command));
        }
    }
    put_actions(path, present, own, prefix, changes);
}

/// Runs a container's probes and hooks in the same way as its command. The kubelet starts them without the variables.
fn put_actions(
    path: &str,
    present: &Container,
    own: &Container,
    prefix: &[String],
    changes: &mut Changes,
) {
    let unescaped: Vec<String> = prefix.iter().map(|word| word.replace("$$", "$")).collect();
    for (present, own) in exec_actions(present).into_iter().zip(exec_actions(own)) {
        let (Some(present_command), Some(own_command)) = (present.command, own.command) else {
            continue;
        };
        if own_command.is_empty() {
            continue;
        }
        // The kubelet expands $(NAME), and makes $$ a $, in commands and probes, but not in hooks.
        let prefix = if own.is_hook { &unescaped } else { prefix };
        let command = [prefix, own_command].concat();
        if present_command != command {
            changes.add(&format!("{path}/{}/exec/command", own.path), json!(command));
        }
    }
}

/// Mounts the files, and what the variables need, in a container that gets them.
fn put_mounts(
    Origin {
        path, container, ..
    }: &Origin<'_>,
    planned: &[&VolumeMount],
    pod: &Stripped<'_>,
    changes: &mut Changes,
) -> Result<(), Conflict> {
    let present = container.volume_mounts.as_deref().unwrap_or_default();
    let wanted = merged(present, planned, mount_path, |other, at_its_path| {
        mounts::is_kept(container, other, at_its_path, planned, pod)
    })?;
    let path = format!("{path}/volumeMounts");
    changes.put_list(&path, present, wanted, compare::is_current_mount);
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
    let names = |pod: &Pod| pod.annotations().get(LOCAL_VOLUMES).cloned();
    let present = names(pod.present).unwrap_or_default();
    let mut volumes = injection.volumes.iter();
    let is_needed = volumes.any(|volume| volume.name == PROGRAM_VOLUME);
    let ours = is_needed.then(|| PROGRAM_VOLUME.to_owned());
    let own = names(&pod.own).filter(|names| !names.is_empty());
    let wanted: Vec<String> = own.into_iter().chain(ours).collect();
    let wanted = wanted.join(",");
    if wanted.is_empty() && !present.is_empty() {
        changes.remove(&annotation_path(LOCAL_VOLUMES));
    } else if wanted != present {
        put_annotation(pod, LOCAL_VOLUMES, &wanted, changes);
    }
}

/// The operations for a pod that gets nothing: it loses the marks of volumes that it does not have any more.
pub(crate) fn without_marks(pod: &Stripped<'_>) -> Patch {
    let mut changes = Changes::default();
    put_replaced(pod, &BTreeMap::new(), &mut changes);
    Patch(changes.operations)
}

/// Says which volumes are replaced, for the next pass.
fn put_replaced(pod: &Stripped<'_>, replaced: &BTreeMap<String, CsiVolume>, changes: &mut Changes) {
    for (name, wanted) in csi::marks(replaced) {
        let present = pod.present.annotations().get(name);
        match wanted {
            Some(wanted) if present != Some(&wanted) => put_annotation(pod, name, &wanted, changes),
            None if present.is_some() => changes.remove(&annotation_path(name)),
            _ => {}
        }
    }
}

fn put_class_hash(pod: &Stripped<'_>, injection: &Injection, changes: &mut Changes) {
    let hash = &injection.class_hash;
    match &pod.present.metadata.labels {
        None => changes.add("/metadata/labels", json!({ CLASS_HASH: hash })),
        Some(labels) if labels.get(CLASS_HASH) == Some(hash) => {}
        Some(_) => {
            let name = CLASS_HASH.replace('/', "~1");
            changes.add(&format!("/metadata/labels/{name}"), json!(hash));
        }
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
