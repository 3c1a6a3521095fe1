//! Why an injection does not fit into a pod.

use crate::pod::bounds::TooMany;

/// Bytes of paths and values that a patch may have. A pod that grows by more cannot be stored: etcd takes 1.5 MiB (its
/// `--max-request-bytes`). Small annotations can ask for far more, as a patch has an operation for each directory in each
/// container.
pub(super) const MOST_BYTES: usize = 1024 * 1024;

/// Why an injection does not fit into a pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The pod has more of something than can be looked at.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The pod already uses a reserved name.
    #[error(
        "the pod already has {what} named {name:?}: rename it; this name is reserved for the injector"
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
    /// The mount of the Secrets Store CSI Driver was left at our path.
    #[error(
        "container {container:?} mounts the volume {volume:?} of the Secrets Store CSI Driver at {path}: remove that volume and its mounts, because the injector writes the files there, or remove the class from the annotations and set aws-secrets-injector.io/csi-volumes: replace"
    )]
    CsiDriver {
        /// The container.
        container: String,
        /// The driver's volume.
        volume: String,
        /// Where.
        path: String,
    },
    /// A volume of the Secrets Store CSI Driver that names no class.
    #[error("volume {volume:?} of the Secrets Store CSI Driver: {reason}")]
    CsiVolume {
        /// The volume.
        volume: String,
        /// What is wrong with its attributes.
        reason: String,
    },
    /// Something else is mounted below our path, where there is nothing to mount it on.
    #[error(
        "container {container:?} mounts the volume {volume:?} at {path}, inside the read-only directory of the secrets: mount it elsewhere, or choose another directory with the annotation aws-secrets-injector.io/mount-path"
    )]
    Inside {
        /// The container.
        container: String,
        /// What is there.
        volume: String,
        /// Where.
        path: String,
    },
    /// The annotation `containers` names a container that the pod does not have.
    #[error("annotation aws-secrets-injector.io/containers: the pod has no container {0:?}")]
    NoContainer(String),
    /// Something else is mounted where variables need a directory.
    #[error(
        "container {container:?} mounts the volume {volume:?} at {path}, but the injector needs {reserved} for variables: mount it elsewhere, or remove the annotation aws-secrets-injector.io/env-method"
    )]
    Reserved {
        /// The container.
        container: String,
        /// What is there.
        volume: String,
        /// Where.
        path: String,
        /// The injector's directory.
        reserved: String,
    },
    /// A variable that the container sets itself.
    #[error(
        "container {container:?} already sets the variable {name:?}: remove it there or from the annotation aws-secrets-injector.io/env, or leave the container out with the annotation aws-secrets-injector.io/containers"
    )]
    Variable {
        /// The container.
        container: String,
        /// The variable.
        name: String,
    },
    /// A variable that reads the file of variables, without the annotation.
    #[error(
        "container {container:?} sets the variable {name:?} from the volume aws-secrets-injector-env, which is reserved for the injector: use the annotation aws-secrets-injector.io/env"
    )]
    VariableSource {
        /// The container.
        container: String,
        /// The variable.
        name: String,
    },
    /// The method `exec` has nothing to run.
    #[error(
        "container {0:?} has no command, but the annotation aws-secrets-injector.io/env-method: exec needs one, because the entrypoint of an image is not known at admission: set command in the container, use env-method kubelet, or leave the container out with the annotation aws-secrets-injector.io/containers"
    )]
    NoCommand(String),
    /// More is to be added than the pod can hold.
    #[error(
        "the pod would grow by more than {} KiB, which Kubernetes cannot store: use fewer containers, directories or variables, or shorter paths",
        MOST_BYTES / 1024
    )]
    TooLarge,
}

impl Conflict {
    /// A reserved name of a container.
    pub(crate) fn container(name: &str) -> Self {
        let name = name.to_owned();
        let what = "a container";
        Self::Name { what, name }
    }

    /// A reserved name of a volume.
    pub(crate) fn volume(name: &str) -> Self {
        let name = name.to_owned();
        let what = "a volume";
        Self::Name { what, name }
    }
}
