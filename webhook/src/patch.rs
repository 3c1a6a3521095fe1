//! From an injection to JSON patch operations (RFC 6902).
//!
//! Operations are made one by one, never by comparing whole pods: an index moves when an element is inserted, and a field
//! that this program does not know must come through untouched.

use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, MoveOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation,
};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, VolumeMount};
use serde_json::{Value, json};

use crate::annotations::{INJECTED, STATUS};
use crate::injection::{
    Injection, NAME, STATE_VOLUME, TOKEN_VOLUME, is_chosen, is_injected, is_volume_of_secrets,
};

mod compare;

/// Why an injection does not fit into a pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Something of the user's has our name.
    #[error(
        "the pod already has {what} named {name:?}: rename it, that name is kept for the injected one"
    )]
    Name {
        /// A container or a volume.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Something else is mounted at our path.
    #[error(
        "container {container:?} already mounts the volume {volume:?} at {path}: choose another directory with the annotation aws-secrets-injector.io/mount-path"
    )]
    Path {
        /// The container.
        container: String,
        /// What is there.
        volume: String,
        /// Where.
        path: String,
    },
    /// Something else is mounted below our path, where there is nothing to mount it on.
    #[error(
        "container {container:?} mounts the volume {volume:?} at {path}, inside the read-only directory of the secrets: mount it elsewhere, or choose another directory with the annotation aws-secrets-injector.io/mount-path"
    )]
    Inside {
        /// The container.
        container: String,
        /// What is there.
        volume: String,
        /// Where.
        path: String,
    },
    /// `containers` names one that is not there.
    #[error("annotation aws-secrets-injector.io/containers: the pod has no container {0:?}")]
    NoContainer(String),
}

/// The operations that put an injection into a pod; none where it is in there already.
pub fn operations(pod: &Pod, injection: &Injection) -> Result<Patch, Conflict> {
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let mut changes = Changes::default();
    check_names(pod, spec, injection)?;
    put_volumes(spec, injection, &mut changes);
    check_containers(spec, injection)?;
    for (list, containers) in [
        ("initContainers", init_containers(spec)),
        ("containers", &spec.containers),
    ] {
        for (index, container) in containers
            .iter()
            .enumerate()
            .filter(|(_, container)| is_chosen(container, injection.containers.as_deref()))
        {
            put_mounts(
                &format!("/spec/{list}/{index}"),
                container,
                injection,
                &mut changes,
            )?;
        }
    }
    // Last, because it moves the others.
    put_init_containers(spec, injection, &mut changes);
    put_status(pod, &mut changes);
    Ok(Patch(changes.0))
}

/// Ours are the first: a service mesh's init containers cut the network until its proxy runs.
fn put_init_containers(spec: &PodSpec, injection: &Injection, changes: &mut Changes) {
    const LIST: &str = "/spec/initContainers";
    let existing = init_containers(spec);
    let planned = &injection.init_containers;
    if existing.is_empty() {
        return changes.add(LIST, json!(planned));
    }
    // Where each container is, while the operations move them.
    let mut order: Vec<&Container> = existing.iter().collect();
    // A sidecar of an earlier pass, in a pod that was exported and does not ask for it any more.
    let is_left = |container: &&Container| {
        let is_planned = planned.iter().any(|planned| planned.name == container.name);
        is_injected(&container.name) && !is_planned
    };
    while let Some(index) = order.iter().position(is_left) {
        changes.remove(&format!("{LIST}/{index}"));
        order.remove(index);
    }
    let is_current = |(existing, planned): (&&Container, &Container)| {
        existing.name == planned.name && compare::is_current(existing, planned)
    };
    if order.len() >= planned.len() && order.iter().zip(planned).all(is_current) {
        return;
    }
    for container in planned.iter().rev() {
        let first = format!("{LIST}/0");
        match order.iter().position(|other| other.name == container.name) {
            Some(index) if compare::is_current(order[index], container) => {
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

#[derive(Default)]
struct Changes(Vec<PatchOperation>);

/// Every path here is written in this file, and starts with a slash: it parses.
fn pointer(path: &str) -> PointerBuf {
    PointerBuf::parse(path).unwrap_or_default()
}

impl Changes {
    fn add(&mut self, path: &str, value: Value) {
        self.0.push(PatchOperation::Add(AddOperation {
            path: pointer(path),
            value,
        }));
    }

    fn replace(&mut self, path: &str, value: Value) {
        self.0.push(PatchOperation::Replace(ReplaceOperation {
            path: pointer(path),
            value,
        }));
    }

    fn remove(&mut self, path: &str) {
        self.0.push(PatchOperation::Remove(RemoveOperation {
            path: pointer(path),
        }));
    }

    fn shift(&mut self, from: &str, to: &str) {
        self.0.push(PatchOperation::Move(MoveOperation {
            from: pointer(from),
            path: pointer(to),
        }));
    }

    /// Appends to a list, which has to be made where it is empty: the API server leaves out empty lists.
    fn append(&mut self, list: &str, is_empty: &mut bool, value: Value) {
        if std::mem::take(is_empty) {
            self.add(list, Value::Array(vec![value]));
        } else {
            self.add(&format!("{list}/-"), value);
        }
    }
}

fn init_containers(spec: &PodSpec) -> &[Container] {
    spec.init_containers.as_deref().unwrap_or_default()
}

/// The container that an earlier pass of this webhook added: another webhook's change may have made the API server ask
/// again.
fn is_ours(container: &Container, pod: &Pod) -> bool {
    let mut variables = container.env.iter().flatten();
    is_injected(&container.name)
        && has_status(pod)
        && variables.any(|variable| variable.name == provider_class::SNAPSHOT_VARIABLE)
}

/// Does the pod say that this webhook was here?
fn has_status(pod: &Pod) -> bool {
    let annotations = pod.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(STATUS))
        .is_some_and(|status| status == INJECTED)
}

fn check_names(pod: &Pod, spec: &PodSpec, injection: &Injection) -> Result<(), Conflict> {
    let conflict = |what, name: &str| {
        Err(Conflict::Name {
            what,
            name: name.to_owned(),
        })
    };
    // Whether it is injected this time or not: the policy of the installation trusts containers of these names.
    let has_our_name = |container: &&Container| is_injected(&container.name);
    let foreign = init_containers(spec)
        .iter()
        .filter(|container| !is_ours(container, pod))
        .chain(&spec.containers);
    if let Some(container) = foreign.into_iter().find(has_our_name) {
        return conflict("a container", &container.name);
    }
    let is_planned = |name: &str| injection.volumes.iter().any(|volume| volume.name == name);
    let in_the_way = |name: &str| {
        // After an earlier pass the volumes are ours, even where another webhook has removed the container. One of a directory
        // that is not asked for any more would be mounted by nobody.
        if has_status(pod) {
            is_volume_of_secrets(name) && !is_planned(name)
        } else {
            is_volume_of_secrets(name) || matches!(name, TOKEN_VOLUME | STATE_VOLUME)
        }
    };
    let mut volumes = spec.volumes.iter().flatten();
    match volumes.find(|volume| in_the_way(&volume.name)) {
        Some(volume) => conflict("a volume", &volume.name),
        None => Ok(()),
    }
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
}

fn check_containers(spec: &PodSpec, injection: &Injection) -> Result<(), Conflict> {
    let all = || init_containers(spec).iter().chain(&spec.containers);
    let missing = |name: &&String| all().all(|container| container.name != **name);
    match injection.containers.iter().flatten().find(missing) {
        Some(name) => Err(Conflict::NoContainer(name.clone())),
        None => Ok(()),
    }
}

fn put_mounts(
    path: &str,
    container: &Container,
    injection: &Injection,
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
        match existing.iter().position(|other| same_path(other, mount)) {
            None => changes.append(&format!("{path}/volumeMounts"), &mut is_empty, json!(mount)),
            Some(index) if existing[index].name == mount.name => {
                // A writable mount could change what other containers read.
                if existing[index].read_only != Some(true) {
                    changes.replace(&format!("{path}/volumeMounts/{index}"), json!(mount));
                }
            }
            Some(index) => {
                return Err(Conflict::Path {
                    container: container.name.clone(),
                    volume: existing[index].name.clone(),
                    path: mount.mount_path.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Mounts of which the kubelet's runtime will probably say that it cannot make a directory.
pub fn warnings(pod: &Pod, injection: &Injection) -> Vec<String> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let chosen = init_containers(spec)
        .iter()
        .chain(&spec.containers)
        .filter(|container| is_chosen(container, injection.containers.as_deref()));
    let around = |container: &Container| {
        let mounts = container.volume_mounts.iter().flatten();
        let read_only =
            mounts.filter(|other| other.read_only == Some(true) && !other.name.starts_with(NAME));
        let pairs = read_only.filter_map(|other| {
            let ours = injection.mounts.iter().find(|mount| is_inside(mount, other))?;
            Some(format!(
                "container {:?} mounts the volume {:?} read-only at {}: the directory {} for the secrets has to be in it already",
                container.name, other.name, other.mount_path, ours.mount_path
            ))
        });
        pairs.collect::<Vec<_>>()
    };
    chosen.flat_map(around).collect()
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

fn put_status(pod: &Pod, changes: &mut Changes) {
    if has_status(pod) {
        return;
    }
    if pod.metadata.annotations.is_none() {
        return changes.add("/metadata/annotations", json!({ STATUS: INJECTED }));
    }
    let name = STATUS.replace('~', "~0").replace('/', "~1");
    changes.add(&format!("/metadata/annotations/{name}"), json!(INJECTED));
}

#[cfg(test)]
mod tests;
