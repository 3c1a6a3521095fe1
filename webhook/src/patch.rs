//! From an injection to JSON patch operations (RFC 6902).
//!
//! Operations are made one by one, never by comparing whole pods: an index moves when an element is inserted, and a field
//! that this program does not know must come through untouched.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, VolumeMount};
use serde_json::{Value, json};

use crate::annotations::{INJECTED, STATUS};
use crate::injection::{Injection, NAME};

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
    /// `containers` names one that is not there.
    #[error("annotation aws-secrets-injector.io/containers: the pod has no container {0:?}")]
    NoContainer(String),
}

/// The operations that put an injection into a pod; none where it is in there already.
pub fn operations(pod: &Pod, injection: &Injection) -> Result<Patch, Conflict> {
    let spec = pod.spec.clone().unwrap_or_default();
    let injected = init_containers(&spec)
        .iter()
        .any(|container| is_ours(container, pod));
    let mut adds = Adds::default();
    check_names(&spec, injection, injected)?;
    add_volumes(&spec, injection, &mut adds);
    check_containers(&spec, injection)?;
    for (list, containers) in [
        ("initContainers", init_containers(&spec)),
        ("containers", &spec.containers),
    ] {
        for (index, container) in containers
            .iter()
            .enumerate()
            .filter(|(_, container)| is_chosen(container, injection))
        {
            add_mounts(
                &format!("/spec/{list}/{index}"),
                container,
                injection,
                &mut adds,
            )?;
        }
    }
    if !injected {
        // Last, because it moves the others.
        match init_containers(&spec) {
            [] => adds.add("/spec/initContainers", &json!([injection.init_container])),
            _ => adds.add("/spec/initContainers/0", &json!(injection.init_container)),
        }
    }
    add_status(pod, &mut adds);
    Ok(Patch(adds.0))
}

#[derive(Default)]
struct Adds(Vec<PatchOperation>);

impl Adds {
    fn add(&mut self, path: &str, value: &Value) {
        // Every path here is written in this file, and starts with a slash: it parses.
        let path = PointerBuf::parse(path).unwrap_or_default();
        self.0.push(PatchOperation::Add(AddOperation {
            path,
            value: value.clone(),
        }));
    }

    /// Appends to a list, which has to be made where it is empty: the API server leaves out empty lists.
    fn append(&mut self, list: &str, is_empty: &mut bool, value: &Value) {
        if std::mem::take(is_empty) {
            self.add(list, &json!([value]));
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
    let status = pod
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(STATUS));
    let has_snapshot = || {
        container
            .env
            .iter()
            .flatten()
            .any(|variable| variable.name == provider_class::SNAPSHOT_VARIABLE)
    };
    container.name == NAME && status.is_some_and(|status| status == INJECTED) && has_snapshot()
}

fn check_names(spec: &PodSpec, injection: &Injection, injected: bool) -> Result<(), Conflict> {
    if injected {
        return Ok(());
    }
    let conflict = |what, name: &str| {
        Err(Conflict::Name {
            what,
            name: name.to_owned(),
        })
    };
    if init_containers(spec)
        .iter()
        .chain(&spec.containers)
        .any(|container| container.name == NAME)
    {
        return conflict("a container", NAME);
    }
    let taken = |name: &str| {
        spec.volumes
            .iter()
            .flatten()
            .any(|volume| volume.name == name)
    };
    match injection.volumes.iter().find(|volume| taken(&volume.name)) {
        Some(volume) => conflict("a volume", &volume.name),
        None => Ok(()),
    }
}

fn add_volumes(spec: &PodSpec, injection: &Injection, adds: &mut Adds) {
    let existing = spec.volumes.as_deref().unwrap_or_default();
    let mut is_empty = existing.is_empty();
    for volume in injection
        .volumes
        .iter()
        .filter(|volume| existing.iter().all(|other| other.name != volume.name))
    {
        adds.append("/spec/volumes", &mut is_empty, &json!(volume));
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

fn is_chosen(container: &Container, injection: &Injection) -> bool {
    container.name != NAME
        && injection
            .containers
            .as_ref()
            .is_none_or(|names| names.contains(&container.name))
}

fn add_mounts(
    path: &str,
    container: &Container,
    injection: &Injection,
    adds: &mut Adds,
) -> Result<(), Conflict> {
    let existing = container.volume_mounts.as_deref().unwrap_or_default();
    let mut is_empty = existing.is_empty();
    for mount in &injection.mounts {
        match existing.iter().find(|other| same_path(other, mount)) {
            None => adds.append(
                &format!("{path}/volumeMounts"),
                &mut is_empty,
                &json!(mount),
            ),
            Some(other) if other.name == mount.name => {}
            Some(other) => {
                return Err(Conflict::Path {
                    container: container.name.clone(),
                    volume: other.name.clone(),
                    path: mount.mount_path.clone(),
                });
            }
        }
    }
    Ok(())
}

fn same_path(one: &VolumeMount, other: &VolumeMount) -> bool {
    one.mount_path.trim_end_matches('/') == other.mount_path.trim_end_matches('/')
}

fn add_status(pod: &Pod, adds: &mut Adds) {
    match &pod.metadata.annotations {
        Some(annotations)
            if annotations
                .get(STATUS)
                .is_some_and(|status| status == INJECTED) => {}
        Some(_) => adds.add(
            &format!(
                "/metadata/annotations/{}",
                STATUS.replace('~', "~0").replace('/', "~1")
            ),
            &json!(INJECTED),
        ),
        None => adds.add("/metadata/annotations", &json!({ STATUS: INJECTED })),
    }
}

#[cfg(test)]
mod tests;
