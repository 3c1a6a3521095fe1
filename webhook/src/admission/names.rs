//! The names in a review. Some become parts of requests to the API server, and whoever reaches the port can write a review.
//! So they are checked before anything else is looked at, and what asks the API server takes nothing else.

use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::core::admission::AdmissionRequest;
use provider_class::{InvalidName, Namespace, ObjectName};

/// A name that Kubernetes does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {error}")]
pub struct BadName {
    field: &'static str,
    error: InvalidName,
}

/// The namespace of a review, if that and the object's name are allowed. An object whose name the API server will make has none.
pub(crate) fn namespace<K: Resource>(
    request: &AdmissionRequest<K>,
    object: &K,
) -> Result<Namespace, BadName> {
    let metadata = object.meta();
    for name in [Some(&request.name), metadata.name.as_ref()] {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            read::<ObjectName>("metadata.name", name)?;
        }
    }
    let namespaces = [&request.namespace, &metadata.namespace];
    let mut namespaces = namespaces.into_iter().flatten();
    let namespace = namespaces.find(|namespace| !namespace.is_empty());
    read("namespace", namespace.map_or("default", String::as_str))
}

/// The name of the pod's ServiceAccount. The API server fills it in, but not in the pods that other programs send for a dry run.
pub(crate) fn service_account(pod: &Pod) -> Result<ObjectName, BadName> {
    let spec = pod.spec.as_ref();
    let name = spec.and_then(|spec| spec.service_account_name.as_deref());
    let name = name.filter(|name| !name.is_empty()).unwrap_or("default");
    read("spec.serviceAccountName", name)
}

fn read<T: std::str::FromStr<Err = InvalidName>>(
    field: &'static str,
    text: &str,
) -> Result<T, BadName> {
    text.parse().map_err(|error| BadName { field, error })
}
