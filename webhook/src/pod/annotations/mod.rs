//! What a pod requests, by its annotations.

mod draft;
pub(crate) mod env;
mod table;
mod unknown;
mod values;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use provider_class::{IN_ANNOTATIONS, Namespace, ObjectName};

use crate::pod::conflict::Conflict;
use crate::pod::csi::CsiVolume;
use crate::pod::snapshot_size;
use crate::pod::view::containers;
pub(crate) use draft::without_effect;
use table::Draft;
use unknown::unknown;

pub use crate::pod::contract::PREFIX;
pub use env::{Item, RequestedVariables};
pub use table::*;

/// The directory of the files, unless the pod names one.
pub const DEFAULT_MOUNT_PATH: &str = "/mnt/secrets-store";

/// Bytes of the longest value that is read. No class that is longer could reach the injector.
const LONGEST: usize = snapshot_size::MOST;

/// A class and its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMount {
    /// The class.
    pub class: RequestedClass,
    /// An absolute path.
    pub mount_path: String,
    /// The volume of the pod's own that becomes the directory.
    pub volume: Option<CsiVolume>,
}

/// A class that a pod requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestedClass {
    /// The SecretProviderClass of this name.
    Named(ObjectName),
    /// One of another namespace.
    Shared {
        /// The namespace.
        namespace: Namespace,
        /// The class's name there.
        name: ObjectName,
        /// Both, as the pod writes them.
        full_name: String,
    },
    /// The class that the pod's annotations describe, by its parameters.
    Annotated(BTreeMap<String, String>),
}

impl RequestedClass {
    /// Its name, for messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) => name.as_str(),
            Self::Shared { full_name, .. } => full_name,
            Self::Annotated(_) => IN_ANNOTATIONS,
        }
    }
}

/// An annotation with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("annotation {PREFIX}{name}: {reason}")]
pub struct InvalidAnnotation {
    name: &'static str,
    reason: String,
}

impl InvalidAnnotation {
    /// The error of an annotation whose value does not fit what it refers to.
    pub(crate) fn new(name: &'static str, reason: String) -> Self {
        Self { name, reason }
    }
}

impl PodRequest {
    /// Reads a pod's annotations; `None` where the pod requests nothing.
    ///
    /// # Errors
    /// Every annotation with an invalid value.
    pub fn read(
        annotations: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, Vec<InvalidAnnotation>> {
        Self::with_volumes(annotations, Vec::new())
    }

    /// Do a pod's annotations request secrets by themselves?
    pub(crate) fn is_in(annotations: &BTreeMap<String, String>) -> bool {
        annotations.contains_key(CLASSES) || annotations.contains_key(&format!("{PREFIX}{OBJECTS}"))
    }

    /// The same for a pod that also requests the classes of these volumes of the Secrets Store CSI Driver.
    pub(crate) fn with_volumes(
        annotations: &BTreeMap<String, String>,
        volumes: Vec<CsiVolume>,
    ) -> Result<Option<Self>, Vec<InvalidAnnotation>> {
        if volumes.is_empty() && !Self::is_in(annotations) {
            return Ok(None);
        }
        let mut draft = Draft::default();
        let mut errors = Vec::new();
        for annotation in &ANNOTATIONS {
            let name = annotation.name;
            let Some(value) = annotations.get(&format!("{PREFIX}{name}")) else {
                continue;
            };
            if value.len() > LONGEST {
                let bytes = value.len();
                let reason =
                    format!("has {bytes} bytes, but can have at most {LONGEST}: shorten it");
                errors.push(InvalidAnnotation { name, reason });
                continue;
            }
            let value = match name {
                // In YAML, the indentation of the first line counts.
                OBJECTS | PARAMETERS => value,
                _ => value.trim(),
            };
            if let Err(reason) = (annotation.read)(&mut draft, value) {
                errors.push(InvalidAnnotation { name, reason });
            }
        }
        match draft.finish() {
            Ok(mut request) if errors.is_empty() => {
                request
                    .classes
                    .extend(volumes.into_iter().map(|volume| ClassMount {
                        mount_path: volume.mount_path(),
                        class: RequestedClass::Named(volume.class.clone()),
                        volume: Some(volume),
                    }));
                let refresh = std::mem::replace(&mut request.warnings, unknown(annotations));
                request.warnings.extend(refresh);
                Ok(Some(request))
            }
            Ok(_) => Err(errors),
            Err(contradictions) => {
                errors.extend(contradictions);
                Err(errors)
            }
        }
    }

    /// The containers that get files, init containers first.
    pub(crate) fn readers<'a>(&self, pod: &'a Pod) -> impl Iterator<Item = &'a Container> {
        containers(pod).filter(|container| self.reads(container))
    }

    /// Does this container of the pod's own get files?
    pub(crate) fn reads(&self, container: &Container) -> bool {
        let mut classes = self.classes.iter();
        classes.any(|mount| self.reads_of(container, mount.volume.as_ref()))
    }

    /// Does it get those of a volume of the pod's own, or else those in directories of the injector?
    pub(crate) fn reads_of(&self, container: &Container, volume: Option<&CsiVolume>) -> bool {
        let mut mounts = container.volume_mounts.iter().flatten();
        match volume {
            Some(volume) => mounts.any(|mount| mount.name == volume.name),
            None => self.chooses(container),
        }
    }

    /// The containers that get the variables, init containers first.
    pub(crate) fn chosen<'a>(&self, pod: &'a Pod) -> impl Iterator<Item = &'a Container> {
        containers(pod).filter(|container| self.chooses(container))
    }

    /// Does this container of the pod's own get the directories of the injector, and variables?
    pub fn chooses(&self, container: &Container) -> bool {
        let names = self.containers.as_ref();
        names.is_none_or(|names| names.contains(&container.name))
    }

    /// Checks that the pod has the containers that get the files.
    pub(crate) fn check_containers(&self, pod: &Pod) -> Result<(), Conflict> {
        let mut names = self.containers.iter().flatten();
        match names.find(|name| containers(pod).all(|container| container.name != **name)) {
            Some(name) => Err(Conflict::NoContainer(name.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
