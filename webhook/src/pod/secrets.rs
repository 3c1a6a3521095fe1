//! The Kubernetes Secrets that the classes of a pod describe (`secretObjects`), and volumes of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{KeyToPath, Pod, Volume};
use provider_class::{ObjectName, SecretObject};

use crate::pod::annotations::{PREFIX, SECRET_OBJECTS};
use crate::pod::class::MountedClass;

/// Keys that a message lists.
const MOST_LISTED: usize = 20;

/// The Secrets, by name.
#[derive(Debug, Default)]
pub(crate) struct PodSecrets<'a>(BTreeMap<&'a str, PodSecret<'a>>);

/// A Secret that a class of the pod describes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PodSecret<'a> {
    /// The class's name.
    pub(crate) class: &'a str,
    /// The directory of its files, in the app's containers; or else the volume of the pod's own.
    pub(crate) mount_path: &'a str,
    volume: Option<&'a str>,
    pub(crate) secret: &'a SecretObject,
    /// Another class that describes a Secret of this name.
    pub(crate) other_class: Option<&'a str>,
}

/// A volume that needs a Secret, which can never be there when the pod's first volumes are mounted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the volume {volume:?} needs the Secret {secret:?} of class {class:?}, but the kubelet mounts volumes before the injector can run, so the pod could not start: {remedy}"
)]
pub struct SecretVolume {
    volume: String,
    secret: String,
    class: String,
    remedy: String,
}

/// Two classes of a pod that describe one Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the classes {class:?} and {other:?} both describe the Secret {secret:?} in secretObjects: rename it in one of them"
)]
pub struct TwoClasses {
    secret: String,
    class: String,
    other: String,
}

impl<'a> PodSecrets<'a> {
    pub(crate) fn of(classes: &'a [MountedClass]) -> Self {
        let mut secrets = BTreeMap::new();
        for mounted in classes {
            let class = mounted.class.name.as_str();
            for secret in &mounted.class.secret_objects {
                match secrets.entry(secret.name.as_str()) {
                    Entry::Vacant(free) => {
                        free.insert(PodSecret {
                            class,
                            mount_path: &mounted.mount_path,
                            volume: mounted.volume.as_ref().map(|volume| volume.name.as_str()),
                            secret,
                            other_class: None,
                        });
                    }
                    // One class may have several directories.
                    Entry::Occupied(mut taken) if taken.get().class != class => {
                        taken.get_mut().other_class = Some(class);
                    }
                    Entry::Occupied(_) => {}
                }
            }
        }
        Self(secrets)
    }

    /// Does no class describe a Secret?
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<PodSecret<'a>> {
        self.0.get(name).copied()
    }

    /// All Secrets, if each is described by one class only.
    pub(crate) fn all(&self) -> Result<Vec<&'a ObjectName>, TwoClasses> {
        let mut names = Vec::new();
        for (name, of_pod) in &self.0 {
            if let Some(other) = of_pod.other_class {
                return Err(TwoClasses {
                    secret: (*name).to_owned(),
                    class: of_pod.class.to_owned(),
                    other: other.to_owned(),
                });
            }
            names.push(&of_pod.secret.name);
        }
        Ok(names)
    }

    /// Refuses volumes of the Secrets; an optional one may be empty at first.
    pub(crate) fn check_volumes(
        &self,
        pod: &Pod,
        classes: &[MountedClass],
    ) -> Result<(), SecretVolume> {
        let volumes = pod.spec.iter().flat_map(|spec| &spec.volumes).flatten();
        let is_replaced = |volume: &Volume| {
            let mut classes = classes.iter();
            classes.any(|class| {
                class
                    .volume
                    .as_ref()
                    .is_some_and(|own| own.name == volume.name)
            })
        };
        for volume in volumes.filter(|volume| !is_replaced(volume)) {
            for (name, items) in required_secrets(volume) {
                if let Some(secret) = self.get(name) {
                    let remedy = match items {
                        Some(items) => format!("remove the volume and read {}", secret.files(items)),
                        None => "create the Secret before the pod, and remove it from the class's secretObjects".to_owned(),
                    };
                    return Err(SecretVolume {
                        volume: volume.name.clone(),
                        secret: name.to_owned(),
                        class: secret.class.to_owned(),
                        remedy,
                    });
                }
            }
        }
        Ok(())
    }

    /// A warning for each Secret that the kubelet uses to pull images. The pod's list has those of its ServiceAccount.
    pub(crate) fn of_image_pulls(&self, pod: &Pod) -> Vec<String> {
        let used = pod.spec.iter().flat_map(|spec| &spec.image_pull_secrets);
        let used: BTreeSet<&str> = used.flatten().map(|secret| secret.name.as_str()).collect();
        let described = used.into_iter().filter_map(|name| self.get(name));
        described
            .map(|of_pod| {
                format!(
                    "imagePullSecrets of the pod has the Secret {:?} of class {:?}, which the annotation {PREFIX}{SECRET_OBJECTS}: env does not create, so images are pulled with it only if somebody else creates it",
                    of_pod.secret.name.as_str(), of_pod.class
                )
            })
            .collect()
    }
}

impl PodSecret<'_> {
    /// A file, for a message.
    pub(crate) fn place(&self, file: &str) -> String {
        match self.volume {
            Some(volume) => format!("{file} of the volume {volume:?}"),
            None => format!("{}/{file}", self.mount_path),
        }
    }

    /// The files of the keys that a volume mounts, for a message.
    fn files(&self, items: &[KeyToPath]) -> String {
        let is_mounted = |key: &str| items.is_empty() || items.iter().any(|item| item.key == *key);
        let keys = self.secret.data.iter();
        let mounted = keys.filter(|data| is_mounted(&data.key));
        let mut files: Vec<String> = mounted
            .take(MOST_LISTED)
            .map(|data| {
                format!(
                    "{} (key {:?})",
                    self.place(&data.file.to_string()),
                    data.key
                )
            })
            .collect();
        if files.is_empty() {
            files.push(match self.volume {
                Some(volume) => format!("the files of the volume {volume:?}"),
                None => format!("the files in {}", self.mount_path),
            });
        }
        files.join(", ")
    }
}

/// The Secrets that the kubelet waits for. With items, the volume has these keys as files, all of them if there are no items.
fn required_secrets(volume: &Volume) -> Vec<(&str, Option<&[KeyToPath]>)> {
    let mut found = Vec::new();
    let referred = [
        volume
            .csi
            .as_ref()
            .and_then(|csi| csi.node_publish_secret_ref.as_ref()),
        volume
            .iscsi
            .as_ref()
            .and_then(|iscsi| iscsi.secret_ref.as_ref()),
        volume
            .flex_volume
            .as_ref()
            .and_then(|flex| flex.secret_ref.as_ref()),
        // Kubernetes 1.30 still has these.
        volume
            .cephfs
            .as_ref()
            .and_then(|cephfs| cephfs.secret_ref.as_ref()),
        volume.rbd.as_ref().and_then(|rbd| rbd.secret_ref.as_ref()),
    ];
    let referred = referred.into_iter().flatten();
    let referred = referred.map(|secret| secret.name.as_str());
    let azure = volume
        .azure_file
        .iter()
        .map(|azure| azure.secret_name.as_str());
    found.extend(referred.chain(azure).map(|name| (name, None)));
    if let Some(secret) = &volume.secret
        && secret.optional != Some(true)
    {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        found.push((name, Some(secret.items.as_deref().unwrap_or_default())));
    }
    let projected = volume.projected.iter();
    for source in projected.flat_map(|volume| volume.sources.iter().flatten()) {
        if let Some(secret) = &source.secret
            && secret.optional != Some(true)
        {
            let items = secret.items.as_deref().unwrap_or_default();
            found.push((secret.name.as_str(), Some(items)));
        }
    }
    found
}

/// A warning for each class whose Secrets nobody creates.
pub(crate) fn ignored(classes: &[MountedClass]) -> Vec<String> {
    let mut warnings = Vec::new();
    for mounted in classes {
        if !mounted.class.secret_objects.is_empty() {
            warnings.push(format!(
                "class {:?}: secretObjects: has no effect with the annotation {PREFIX}{SECRET_OBJECTS}: ignore; only the Secrets Store CSI Driver creates these Secrets then",
                mounted.class.name
            ));
        }
    }
    warnings
}

/// The warning of a pod that applies Secrets, if its classes have none.
pub(crate) fn nothing_to_apply() -> String {
    format!(
        "annotation {PREFIX}{SECRET_OBJECTS}: sync has no effect: no class of the pod has secretObjects"
    )
}
