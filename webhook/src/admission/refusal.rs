//! Every reason to refuse a pod, with a message that says how to fix it.

use provider_class::{
    ClassError, Collision, InvalidClass, Namespace, NoRegion, ObjectName, ResolveError, Title,
};

use crate::admission::names::BadName;
use crate::cluster::features::OldKubernetes;
use crate::cluster::lookup::LookupError;
use crate::pod::annotations::{CLASSES, InvalidAnnotation, PREFIX, SECRET_OBJECTS};
use crate::pod::bounds::TooMany;
use crate::pod::conflict::Conflict;
use crate::pod::csi::CsiVolume;
use crate::pod::role::{InvalidRole, ROLE};
use crate::pod::secrets::{SecretVolume, TwoClasses};
use crate::pod::signal_check::NoSignal;
use crate::pod::snapshot_size;
use crate::pod::sub_paths::UnusableMount;
use crate::pod::variables::UnusableReference;
use crate::text;

/// Why a pod is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A name that Kubernetes does not allow.
    #[error(transparent)]
    Name(#[from] BadName),
    /// Annotations that cannot be followed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Annotations(Vec<InvalidAnnotation>),
    /// A Windows pod.
    #[error(
        "this is a Windows pod, but the injector runs only on Linux: remove the annotations {PREFIX}…, or leave its CSI volumes to the driver ({PREFIX}csi-volumes: ignore)"
    )]
    Windows,
    /// A class with mistakes.
    #[error(transparent)]
    InvalidClass(#[from] InvalidClass),
    /// A class of another provider, or of none.
    #[error(transparent)]
    Provider(ClassError),
    /// A class that the API server's schema would not allow.
    #[error("class {class:?}: {reason}: apply this version's CRD, and the class again")]
    Malformed {
        /// The class.
        class: String,
        /// What does not fit.
        reason: String,
    },
    /// No region for a class.
    #[error(transparent)]
    NoRegion(#[from] NoRegion),
    /// Classes that write the same file.
    #[error(transparent)]
    Collision(#[from] Collision),
    /// A ServiceAccount without a usable role.
    #[error(
        "ServiceAccount {name:?} in namespace {namespace:?}: {error}; name the pod's IAM role: kubectl annotate serviceaccount -n {namespace} {name} {ROLE}=arn:aws:iam::ACCOUNT:role/ROLE (or set usePodIdentity: \"true\" in the parameters, or the chart's identity to auto, for EKS Pod Identity)"
    )]
    Role {
        /// The ServiceAccount.
        name: ObjectName,
        /// The pod's namespace.
        namespace: Namespace,
        /// What is wrong.
        error: InvalidRole,
    },
    /// Classes that do not fit into an environment variable.
    #[error(
        "the pod's classes take {bytes} bytes in total, but an environment variable can hold at most {}: use fewer or smaller classes in one pod",
        snapshot_size::MOST
    )]
    TooLarge {
        /// Their size.
        bytes: usize,
    },
    /// The pod has more of something than can be looked at.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The pod has something where the injection goes.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The pod mounts a Secret that does not exist when it starts.
    #[error(transparent)]
    SecretVolume(#[from] SecretVolume),
    /// Two classes describe one Secret.
    #[error(transparent)]
    TwoClasses(#[from] TwoClasses),
    /// Pods may not apply Secrets in this cluster.
    #[error(
        "annotation {PREFIX}{SECRET_OBJECTS}: sync is not allowed in this cluster: use env, or set the chart's value secretObjects.sync to true"
    )]
    SyncNotAllowed,
    /// Only reviewed classes describe secrets in this cluster.
    #[error(
        "annotation {PREFIX}{annotation} is not allowed in this cluster: put its text into a SecretProviderClass, and name that in the annotation {CLASSES} (or set the chart's value allowObjects to true)"
    )]
    OnlyClasses {
        /// The annotation, without its prefix.
        annotation: &'static str,
    },
    /// A class of a namespace that shares none.
    #[error(
        "annotation {CLASSES}: classes of namespace {owner:?} are not shared with other namespaces: copy the class to namespace {namespace:?}, or add {owner:?} to the chart's value sharedClasses.namespaces"
    )]
    NotShared {
        /// The namespace of the class.
        owner: Namespace,
        /// The pod's namespace.
        namespace: Namespace,
    },
    /// The pod's ServiceAccount may not apply a Secret.
    #[error(
        "annotation {PREFIX}{SECRET_OBJECTS}: ServiceAccount {account:?} in namespace {namespace:?} may not create and patch the Secret {secret:?}: kubectl get secretproviderclass -n {namespace} {class} -o yaml | aws-secrets-injector check --rbac --service-account {account} - | kubectl apply -f -"
    )]
    NoRight {
        /// The ServiceAccount.
        account: ObjectName,
        /// The pod's namespace.
        namespace: Namespace,
        /// The Secret.
        secret: String,
        /// Its class.
        class: String,
    },
    /// The pod refers to a Secret of its classes in a way that cannot be served.
    #[error(transparent)]
    Reference(#[from] UnusableReference),
    /// A container mounts files in a way that would not give it any.
    #[error(transparent)]
    Mount(#[from] UnusableMount),
    /// The sidecar could not send its signal.
    #[error(transparent)]
    NoSignal(#[from] NoSignal),
    /// A cluster without a feature that the pod needs.
    #[error(transparent)]
    OldKubernetes(OldKubernetes),
    /// An object that the pod needs could not be read.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A refusal that names annotations which the pod does not set itself.
    #[error("{refusal} ({origins})")]
    Defaulted {
        /// The refusal.
        refusal: Box<Refusal>,
        /// Where they are from.
        origins: String,
    },
    /// The same for the class of a volume of the pod's own.
    #[error("volume {volume:?}: {refusal}")]
    Volume {
        /// The volume.
        volume: String,
        /// Why it cannot be replaced.
        refusal: Box<Refusal>,
    },
}

impl From<ClassError> for Refusal {
    fn from(error: ClassError) -> Self {
        match error {
            ClassError::Invalid(invalid) => Self::InvalidClass(invalid),
            error @ (ClassError::OtherProvider { .. } | ClassError::NoProvider { .. }) => {
                Self::Provider(error)
            }
        }
    }
}

impl From<ResolveError> for Refusal {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::NoRegion(error) => Self::NoRegion(error),
            ResolveError::Invalid(invalid) => Self::InvalidClass(invalid),
        }
    }
}

impl Refusal {
    /// The same, with the volume of the pod's own that is to have the files.
    pub(crate) fn of_volume(self, volume: Option<&CsiVolume>) -> Self {
        match volume {
            None => self,
            Some(volume) => Self::Volume {
                volume: volume.name.clone(),
                refusal: Box::new(self),
            },
        }
    }

    /// HTTP status for the AdmissionReview: 403 if the user can fix it, 500 if the platform has to.
    pub fn code(&self) -> u16 {
        match self {
            Self::Lookup(LookupError::Failed { .. } | LookupError::Region { .. }) => 500,
            Self::Volume { refusal, .. } | Self::Defaulted { refusal, .. } => refusal.code(),
            _ => 403,
        }
    }

    /// What the author reads: a line for each mistake. What a line quotes stays on it, and each has a bound.
    pub fn message(&self) -> String {
        match self {
            Self::Annotations(problems) => lines(problems),
            Self::InvalidClass(invalid) => class_message(invalid),
            Self::Defaulted { refusal, origins } => {
                format!("{}\n{}", refusal.message(), text::line(origins))
            }
            Self::Volume { volume, refusal } => {
                format!(
                    "{}{}",
                    text::line(&format!("volume {volume:?}: ")),
                    refusal.message()
                )
            }
            other => text::line(&other.to_string()),
        }
    }

    /// All values of [`Refusal::reason`], and the reason of a review that met an internal error.
    pub const REASONS: [&str; 22] = [
        "invalid-name",
        "invalid-annotation",
        "windows",
        "no-class",
        "no-crd",
        "invalid-class",
        "other-provider",
        "no-region",
        "collision",
        "no-service-account",
        "no-role",
        "too-large",
        "conflict",
        "no-signal",
        "no-env-files",
        "no-restart",
        "no-sync",
        "no-objects",
        "not-shared",
        "no-permission",
        "lookup-failed",
        "internal",
    ];

    /// A word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Name(_) => "invalid-name",
            Self::Annotations(_) => "invalid-annotation",
            Self::Windows => "windows",
            Self::Lookup(LookupError::NoClass { .. }) => "no-class",
            Self::Lookup(LookupError::NoCrd) => "no-crd",
            Self::InvalidClass(_) | Self::Malformed { .. } => "invalid-class",
            Self::Provider(_) => "other-provider",
            Self::NoRegion(_) => "no-region",
            Self::Collision(_) => "collision",
            Self::Lookup(LookupError::NoServiceAccount { .. }) => "no-service-account",
            Self::Role { .. } => "no-role",
            Self::TooLarge { .. }
            | Self::TooMany(_)
            | Self::Conflict(Conflict::TooLarge | Conflict::TooMany(_))
            | Self::Reference(UnusableReference::TooLarge { .. } | UnusableReference::TooMany(_)) => {
                "too-large"
            }
            Self::Conflict(_)
            | Self::Mount(_)
            | Self::SecretVolume(_)
            | Self::TwoClasses(_)
            | Self::Reference(_) => "conflict",
            Self::SyncNotAllowed => "no-sync",
            Self::OnlyClasses { .. } => "no-objects",
            Self::NotShared { .. } => "not-shared",
            Self::NoRight { .. } => "no-permission",
            Self::NoSignal(_) => "no-signal",
            Self::Lookup(LookupError::Failed { .. } | LookupError::Region { .. }) => {
                "lookup-failed"
            }
            Self::OldKubernetes(old) => old.reason(),
            Self::Volume { refusal, .. } | Self::Defaulted { refusal, .. } => refusal.reason(),
        }
    }
}

/// Everything that is wrong with a class, a line each.
pub(crate) fn class_message(invalid: &InvalidClass) -> String {
    let mut messages = Vec::new();
    for problem in &invalid.problems {
        messages.push(format!("{}: {problem}", Title(&invalid.name)));
    }
    lines(&messages)
}

fn lines(messages: &[impl ToString]) -> String {
    let mut lines = String::new();
    for message in messages {
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines.push_str(&text::line(&message.to_string()));
    }
    lines
}
