//! What a pod requests, by its annotations.

mod draft;
mod table;
mod unknown;
mod values;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt as _;
use provider_class::{EnvMethod, IN_ANNOTATIONS, ObjectName, OnRefresh, RefreshInterval};

use crate::pod::names::{is_chosen, own_containers};
use crate::pod::snapshot_size;
use crate::pod::variables::RequestedVariables;
use draft::Draft;
pub(crate) use draft::without_effect;
use unknown::unknown;

pub use table::{ANNOTATIONS, Annotation};

/// Prefix of all annotations of this project.
pub const PREFIX: &str = "aws-secrets-injector.io/";
/// The annotation that names classes. It triggers the injection.
pub const CLASSES: &str = "aws-secrets-injector.io/secret-provider-class";
/// The annotation with the objects of a class that has no SecretProviderClass. It triggers the injection, too.
pub const OBJECTS: &str = "objects";
/// The other parameters of that class.
pub const PARAMETERS: &str = "parameters";
/// The annotation that the webhook sets.
pub const STATUS: &str = "aws-secrets-injector.io/status";
/// The value of [`STATUS`] of a pod that was injected.
pub const INJECTED: &str = "injected";
/// The directory of the files, unless the pod names one.
pub const DEFAULT_MOUNT_PATH: &str = "/mnt/secrets-store";

/// Which containers get the files.
pub const CONTAINERS: &str = "containers";
/// How often files are refreshed.
pub const REFRESH_INTERVAL: &str = "refresh-interval";
/// How the app is notified of changed files.
pub const ON_REFRESH: &str = "on-refresh";
/// Which environment variables the containers get.
pub const ENV: &str = "env";
/// How the variables reach the containers.
pub const ENV_METHOD: &str = "env-method";
/// What happens with the Kubernetes Secrets that the classes describe.
pub const SECRET_OBJECTS: &str = "secret-objects";
const SECRET_PROVIDER_CLASS: &str = "secret-provider-class";
/// The port on which the sidecar serves its metrics.
pub const REFRESH_METRICS_PORT: &str = "refresh-metrics-port";
const CPU_REQUEST: &str = "cpu-request";
const MEMORY_REQUEST: &str = "memory-request";

/// Bytes of the longest value that is read. No class that is longer could reach the injector.
const LONGEST: usize = snapshot_size::MOST;

/// Does the pod say that this webhook was here?
pub(crate) fn has_status(pod: &Pod) -> bool {
    let status = pod.annotations().get(STATUS);
    status.is_some_and(|status| status == INJECTED)
}

/// What a pod requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodRequest {
    /// Classes and where their files go; at least one.
    pub classes: Vec<ClassMount>,
    /// The containers that get the files; `None` means all.
    pub containers: Option<Vec<String>>,
    /// User of the injected containers.
    pub run_as_user: Option<i64>,
    /// Group of the injected containers.
    pub run_as_group: Option<i64>,
    /// Resources of the injected containers that override the webhook's settings.
    pub resources: Resources,
    /// How files are refreshed; `None` means never.
    pub refresh: Option<Refresh>,
    /// Environment variables of the containers that get the files.
    pub variables: Option<RequestedVariables>,
    /// How variables reach the containers, if the pod says so.
    pub env_method: Option<EnvMethod>,
    /// What happens with the Kubernetes Secrets that the classes describe.
    pub secret_objects: SecretObjects,
    /// A line for each annotation that has no effect.
    pub warnings: Vec<String>,
}

/// What happens with the Kubernetes Secrets that the pod's classes describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretObjects {
    /// References to them become variables with the contents of files. No Secret is created.
    #[default]
    Env,
    /// The injector applies them.
    Sync,
    /// Nothing.
    Ignore,
}

/// How files are refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The time between two checks for changed secrets.
    pub interval: RefreshInterval,
    /// How the app is notified of changed files.
    pub on_refresh: Option<OnRefresh>,
    /// The port on which the sidecar serves its metrics.
    pub metrics_port: Option<u16>,
}

/// A class and its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMount {
    /// The class.
    pub class: RequestedClass,
    /// An absolute path.
    pub mount_path: String,
}

/// A class that a pod requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestedClass {
    /// The SecretProviderClass of this name.
    Named(ObjectName),
    /// The class that the pod's annotations describe, by its parameters.
    Annotated(BTreeMap<String, String>),
}

impl RequestedClass {
    /// Its name, for messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) => name.as_str(),
            Self::Annotated(_) => IN_ANNOTATIONS,
        }
    }
}

/// Requests and limits of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// `requests.cpu`
    pub cpu_request: Option<Quantity>,
    /// `limits.cpu`
    pub cpu_limit: Option<Quantity>,
    /// `requests.memory`
    pub memory_request: Option<Quantity>,
    /// `limits.memory`
    pub memory_limit: Option<Quantity>,
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
        let has = |name: &str| annotations.contains_key(name);
        if !has(CLASSES) && !has(&format!("{PREFIX}{OBJECTS}")) {
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

    /// The containers that get the files, init containers first.
    pub(crate) fn readers<'a>(&self, pod: &'a Pod) -> impl Iterator<Item = &'a Container> {
        own_containers(pod).filter(|container| self.chooses(container))
    }

    /// Does this container of the pod's own get the files?
    pub fn chooses(&self, container: &Container) -> bool {
        is_chosen(container, self.containers.as_deref())
    }
}

#[cfg(test)]
mod tests;
