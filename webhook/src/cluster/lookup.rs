//! Why an object that a pod needs could not be read.

use provider_class::{GROUP, KIND, Namespace, ObjectName, VERSIONS};

use crate::cluster::api_error::ApiError;
use crate::pod::annotations::CLASSES;

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// No such class.
    #[error(
        "{KIND} {name:?} not found in namespace {namespace:?}: create it there (a pod uses classes of its own namespace), or correct the annotation {CLASSES}"
    )]
    NoClass {
        /// The class.
        name: ObjectName,
        /// The pod's namespace.
        namespace: Namespace,
    },
    /// The cluster does not know the kind.
    #[error("this cluster has no {KIND} resources ({GROUP}/{}): install their CRD, either with the Secrets Store CSI Driver, or by the chart's value crds.install=true or crd.yaml of the release", VERSIONS[0])]
    NoCrd,
    /// No such ServiceAccount.
    #[error(
        "ServiceAccount {name:?} not found in namespace {namespace:?}: create it, or correct the pod's serviceAccountName"
    )]
    NoServiceAccount {
        /// The ServiceAccount.
        name: ObjectName,
        /// The pod's namespace.
        namespace: Namespace,
    },
    /// The nodes, whose labels name the default region.
    #[error(
        "could not list nodes for the default region: {error}; create the pod again, or set \"region\" in the class's parameters"
    )]
    Region {
        /// What the API server says.
        error: String,
    },
    /// The API server did not answer, or not with the object.
    #[error("could not read {what}: {error}")]
    Failed {
        /// The object.
        what: String,
        /// What the API server says.
        error: ApiError,
    },
}
