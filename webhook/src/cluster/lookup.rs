//! Why an object that a pod needs could not be read.

use std::time::Duration;

use provider_class::{GROUP, KIND, Namespace, ObjectName, VERSIONS};
use tokio::time::Instant;

use crate::cluster::api_error::ApiError;
use crate::pod::annotations::CLASSES;

/// How long a review waits for the API server, all its questions together. The API server itself waits some seconds for the answer.
const PATIENCE: Duration = Duration::from_secs(2);
const TOO_LATE: &str = "it took longer than 2 s";

/// When a review stops waiting for the API server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// Of a review that begins.
    pub(crate) fn start() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// The output, if it comes in time.
    pub(crate) async fn wait<T>(self, work: impl Future<Output = T>) -> Result<T, TooLate> {
        tokio::time::timeout_at(self.0, work)
            .await
            .map_err(|_| TooLate)
    }

    /// An answer of the API server, if it comes in time.
    pub(crate) async fn answer<T>(
        self,
        ask: impl Future<Output = kube::Result<T>>,
    ) -> kube::Result<T> {
        self.wait(ask).await?
    }
}

/// The deadline has passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLate;

impl From<TooLate> for kube::Error {
    fn from(TooLate: TooLate) -> Self {
        Self::Service(TOO_LATE.into())
    }
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// No such class.
    #[error(
        "{KIND} {name:?} not found in namespace {namespace:?}: create it there (a pod uses classes of its own namespace), or correct the annotation {CLASSES} or the volume that names it"
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
