//! What the platform decides about all pods.

use std::collections::BTreeSet;

use clap::ValueEnum;
use provider_class::Namespace;

use crate::admission::defaults::Defaults;
use crate::pod::csi::CsiVolumes;

/// The platform's decisions, from the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// What becomes of volumes of the Secrets Store CSI Driver, unless the pod says it.
    pub(crate) csi_volumes: CsiVolumes,
    /// How classes get credentials that do not say it.
    pub(crate) identity: Identity,
    /// The namespaces whose classes pods of all namespaces may name.
    pub(crate) shared: BTreeSet<Namespace>,
    /// Annotations for pods that do not set them.
    pub(crate) defaults: Defaults,
    /// May only classes describe secrets, and no annotations?
    pub(crate) only_classes: bool,
}

/// How a class gets credentials that does not say it (`usePodIdentity`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
#[allow(clippy::enum_variant_names, reason = "the service has that name")]
pub(crate) enum Identity {
    /// From STS, with the role of the pod's ServiceAccount.
    #[default]
    Irsa,
    /// From EKS Pod Identity.
    PodIdentity,
    /// From STS if the ServiceAccount names a role, else from EKS Pod Identity.
    Auto,
}
