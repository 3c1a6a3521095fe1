//! Every reason for which a pod is refused, in words that say what to mend.

use certs::ApiError;
use provider_class::{Collision, GROUP, InvalidClass, KIND, NoRegion, VERSIONS};

use crate::annotations::{CLASSES, InvalidAnnotation, PREFIX, REFRESH_INTERVAL};
use crate::patch::Conflict;
use crate::refreshing::NoSignal;
use crate::service_account::{InvalidRole, ROLE};

/// Bytes that the classes of one pod may have: Linux starts no program with a longer variable (`MAX_ARG_STRLEN`).
pub const MAX_SNAPSHOT: usize = 127 * 1024;

/// Why a pod is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Annotations that cannot be followed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Annotations(Vec<InvalidAnnotation>),
    /// A Windows pod.
    #[error(
        "the pod is a Windows pod, and the injector runs on Linux alone: remove the annotation {CLASSES}"
    )]
    Windows,
    /// No such class.
    #[error(
        "{KIND} {name:?} not found in namespace {namespace:?}: create it there (a pod uses classes of its own namespace), or correct the annotation {CLASSES}"
    )]
    NoClass {
        /// The class.
        name: String,
        /// The pod's namespace.
        namespace: String,
    },
    /// The cluster does not know the kind.
    #[error("this cluster has no {KIND} resources ({GROUP}/{}): install their CRD, either with the Secrets Store CSI Driver or by manifests/crd.yaml", VERSIONS[0])]
    NoCrd,
    /// A class with mistakes.
    #[error(transparent)]
    InvalidClass(#[from] InvalidClass),
    /// A class of another provider, or of none.
    #[error(
        "class {name:?}: provider: is {provider:?}, and only classes of provider \"aws\" are served here"
    )]
    Provider {
        /// The class.
        name: String,
        /// As written.
        provider: String,
    },
    /// No region for a class.
    #[error(transparent)]
    NoRegion(#[from] NoRegion),
    /// Classes that write the same file.
    #[error(transparent)]
    Collision(#[from] Collision),
    /// No such ServiceAccount.
    #[error(
        "ServiceAccount {name:?} not found in namespace {namespace:?}: create it, or correct the pod's serviceAccountName"
    )]
    NoServiceAccount {
        /// The ServiceAccount.
        name: String,
        /// The pod's namespace.
        namespace: String,
    },
    /// A ServiceAccount without a usable role.
    #[error(
        "ServiceAccount {name:?} in namespace {namespace:?}: {error}; name the pod's IAM role: kubectl annotate serviceaccount -n {namespace} {name} {ROLE}=arn:aws:iam::ACCOUNT:role/ROLE (or set usePodIdentity: \"true\" in the class)"
    )]
    Role {
        /// The ServiceAccount.
        name: String,
        /// The pod's namespace.
        namespace: String,
        /// What is wrong.
        error: InvalidRole,
    },
    /// Classes that do not fit into an environment variable.
    #[error(
        "the pod's classes are {bytes} bytes together, and an environment variable carries at most {MAX_SNAPSHOT}: use fewer or smaller classes in one pod"
    )]
    TooLarge {
        /// Their size.
        bytes: usize,
    },
    /// The pod has something where the injection goes.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The sidecar could not send its signal.
    #[error(transparent)]
    NoSignal(#[from] NoSignal),
    /// A cluster without native sidecars.
    #[error(
        "annotation {PREFIX}{REFRESH_INTERVAL}: this cluster is Kubernetes {version}, and the sidecar that refreshes files needs 1.29 or newer: remove the annotation"
    )]
    NoSidecars {
        /// The cluster's version.
        version: String,
    },
    /// The API server could not be asked.
    #[error("could not read {what}: {error}")]
    Lookup {
        /// What was to be read.
        what: String,
        /// What the API server says.
        error: ApiError,
    },
}

impl Refusal {
    /// HTTP status for the AdmissionReview: is it the user's to mend, or the platform's?
    pub fn code(&self) -> u16 {
        match self {
            Self::Lookup { .. } => 500,
            _ => 403,
        }
    }

    /// A word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Annotations(_) => "invalid-annotation",
            Self::Windows => "windows",
            Self::NoClass { .. } => "no-class",
            Self::NoCrd => "no-crd",
            Self::InvalidClass(_) => "invalid-class",
            Self::Provider { .. } => "other-provider",
            Self::NoRegion(_) => "no-region",
            Self::Collision(_) => "collision",
            Self::NoServiceAccount { .. } => "no-service-account",
            Self::Role { .. } => "no-role",
            Self::TooLarge { .. } => "too-large",
            Self::Conflict(_) => "conflict",
            Self::NoSignal(_) => "no-signal",
            Self::NoSidecars { .. } => "no-sidecars",
            Self::Lookup { .. } => "lookup-failed",
        }
    }
}
