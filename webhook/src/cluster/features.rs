//! Whether the cluster has the features of Kubernetes that a pod's annotations need. An API server or a kubelet that is too old
//! drops fields that it does not know, silently, so every node counts.

use std::time::Duration;

use kube::Client;

use crate::cluster::kubernetes_version::{KubernetesVersion, minor};
use crate::cluster::lookup::{Deadline, LookupError};
use crate::cluster::nodes::{Kubelet, Nodes};
use crate::pod::annotations::{ENV, ENV_METHOD, ON_REFRESH, PREFIX};

/// How long the nodes are taken as new enough.
const KEEP: Duration = Duration::from_mins(5);
/// How long they are taken as too old: somebody may be replacing them because of the message.
const KEEP_OLD: Duration = Duration::from_secs(15);

/// A feature of Kubernetes.
#[derive(Debug, PartialEq, Eq)]
pub struct Feature {
    /// The annotation that needs it.
    annotation: &'static str,
    /// What needs it, in the words of the annotations.
    needed_by: &'static str,
    /// The first minor version of Kubernetes 1 that has it switched on.
    first: u32,
    /// The annotation to set instead, and its value.
    instead: (&'static str, &'static str),
    /// Why a pod is refused without it, for logs and metrics.
    reason: &'static str,
}

/// Variables from files (`fileKeyRef`). An older kubelet sets an empty variable.
///
/// Source: <https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file/>.
pub(crate) const ENV_FILES: Feature = Feature {
    annotation: ENV,
    needed_by: "env-method kubelet",
    first: 35,
    instead: (ENV_METHOD, "exec"),
    reason: "no-env-files",
};

/// The action `RestartAllContainers` of `restartPolicyRules`. An older kubelet restarts only the sidecar.
///
/// Source: <https://www.kubernetes.dev/resources/keps/5532/>.
pub(crate) const RESTART_ALL_CONTAINERS: Feature = Feature {
    annotation: ON_REFRESH,
    needed_by: "on-refresh restart",
    first: 36,
    instead: (ON_REFRESH, "signal:SIGTERM:CONTAINER"),
    reason: "no-restart",
};

/// A cluster without a feature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OldKubernetes {
    /// The API server is too old.
    #[error(
        "annotation {PREFIX}{}: this cluster is Kubernetes {version}, but {} needs 1.{} or later: upgrade the cluster, or set {PREFIX}{}: {}",
        .feature.annotation, .feature.needed_by, .feature.first, .feature.instead.0, .feature.instead.1
    )]
    Cluster {
        /// What it lacks.
        feature: &'static Feature,
        /// Its version.
        version: String,
    },
    /// A node is too old.
    #[error(
        "annotation {PREFIX}{}: the kubelet of node {node:?} has version {version:?}, but {} needs v1.{} or later on every node: upgrade the node, delete its Node object if it is gone, or set {PREFIX}{}: {}",
        .feature.annotation, .feature.needed_by, .feature.first, .feature.instead.0, .feature.instead.1
    )]
    Node {
        /// What it lacks.
        feature: &'static Feature,
        /// The oldest node.
        node: String,
        /// Its kubelet's version.
        version: String,
    },
}

impl OldKubernetes {
    /// A word for logs and metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Cluster { feature, .. } | Self::Node { feature, .. } => feature.reason,
        }
    }
}

/// Asks for the versions of the API server and of the nodes.
#[derive(Clone)]
pub(crate) struct Features {
    version: KubernetesVersion,
    nodes: Nodes,
}

impl Features {
    /// Of this cluster.
    pub(crate) fn new(version: KubernetesVersion, client: Client) -> Self {
        Self {
            version,
            nodes: Nodes::new(client),
        }
    }

    /// What of the cluster is too old for a feature, if something is.
    pub(crate) async fn missing(
        &self,
        feature: &'static Feature,
        deadline: Deadline,
    ) -> Result<Option<OldKubernetes>, LookupError> {
        let version = self
            .version
            .get(deadline)
            .await
            .map_err(|error| LookupError::Failed {
                what: "the cluster's version".to_owned(),
                error,
            })?;
        if feature.is_missing_in(&version) {
            return Ok(Some(OldKubernetes::Cluster { feature, version }));
        }
        let oldest = self.nodes.oldest(deadline, |oldest| feature.keep(oldest));
        let oldest = oldest.await.map_err(|error| LookupError::Failed {
            what: "the nodes' versions".to_owned(),
            error,
        })?;
        let old = oldest.filter(|kubelet| feature.is_missing_in(&kubelet.version));
        Ok(old.map(|Kubelet { node, version }| OldKubernetes::Node {
            feature,
            node,
            version,
        }))
    }
}

impl Feature {
    /// How long the oldest kubelet is taken as the oldest.
    fn keep(&self, oldest: Option<&Kubelet>) -> Duration {
        match oldest {
            Some(kubelet) if self.is_missing_in(&kubelet.version) => KEEP_OLD,
            _ => KEEP,
        }
    }

    /// A version that cannot be read may be old: a missing feature would not be noticed.
    fn is_missing_in(&self, version: &str) -> bool {
        minor(version).is_none_or(|minor| minor < self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_kubelets_are_compared_by_number() {
        for (version, has_env_files, has_restart) in [
            ("v1.34.9", false, false),
            ("v1.34.1-eks-113cf36", false, false),
            ("v1.35.0", true, false),
            ("v1.35.0-rc.0+k3s1", true, false),
            ("1.36+", true, true),
            ("v1.100.0", true, true),
            ("v2.0.0", true, true),
            ("", false, false),
            ("latest", false, false),
        ] {
            let has = [&ENV_FILES, &RESTART_ALL_CONTAINERS]
                .map(|feature| !feature.is_missing_in(version));
            assert_eq!(has, [has_env_files, has_restart], "{version}");
        }
    }
}
