//! Volumes of the Secrets Store CSI Driver, which this webhook can replace in place: each becomes a tmpfs of the same name with the
//! files of its class, and containers keep their mounts.
//!
//! Source: <https://secrets-store-csi-driver.sigs.k8s.io/getting-started/usage>.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use k8s_openapi::api::core::v1::{CSIVolumeSource, Pod, PodSpec, Volume, VolumeMount};
use kube::ResourceExt as _;
use provider_class::ObjectName;
use serde_json::json;

use crate::pod::bounds;
use crate::pod::conflict::Conflict;
use crate::pod::contract::{FILES, PREFIX};

/// The driver's name.
const DRIVER: &str = "secrets-store.csi.k8s.io";
/// The attribute with the name of the class. The driver hands the others to its provider, as parameters that go before those of the
/// class.
///
/// Source: <https://github.com/kubernetes-sigs/secrets-store-csi-driver/blob/v1.5.0/pkg/secrets-store/nodeserver.go>.
const CLASS: &str = "secretProviderClass";
/// The annotation that says what becomes of the pod's volumes of the driver.
pub(crate) const CSI_VOLUMES: &str = "csi-volumes";
/// The annotation with the volumes that an earlier pass has replaced, such as `secrets=shop,tls=store-tls`.
pub(crate) const REPLACED: &str = "aws-secrets-injector.io/replaced-volumes";
/// The annotation with their parameters, if there are any, as JSON.
const PARAMETERS: &str = "aws-secrets-injector.io/replaced-parameters";
/// Where the injected containers mount these volumes.
const DIRECTORY: &str = "/var/lib/aws-secrets-injector-volumes";

/// What becomes of volumes of the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsiVolumes {
    /// They are left to the driver.
    #[default]
    Ignore,
    /// They get their files from the injector, if their class is of provider aws.
    Replace,
}

impl FromStr for CsiVolumes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ignore" => Ok(Self::Ignore),
            "replace" => Ok(Self::Replace),
            _ => Err(format!("{text:?} is neither \"ignore\" nor \"replace\"")),
        }
    }
}

/// A volume of the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsiVolume {
    /// Its name.
    pub name: String,
    /// The class of its files.
    pub class: ObjectName,
    /// Parameters that go before those of the class.
    pub parameters: BTreeMap<String, String>,
}

impl CsiVolume {
    /// Where the injected containers mount it.
    pub(crate) fn mount_path(&self) -> String {
        format!("{DIRECTORY}/{}", self.name)
    }
}

/// Does the pod have volumes to replace, or does it come with some that an earlier pass has replaced? An invalid annotation counts
/// as a request, so that somebody is told.
pub(crate) fn are_requested(pod: &Pod, default: CsiVolumes) -> bool {
    let annotations = pod.annotations();
    let mode = annotations.get(&format!("{PREFIX}{CSI_VOLUMES}"));
    let mode = mode.map_or(Ok(default), |mode| mode.trim().parse());
    annotations.contains_key(REPLACED)
        || mode != Ok(CsiVolumes::Ignore) && pod.spec.iter().flat_map(of_driver).next().is_some()
}

/// The pod's volumes of the driver.
pub(crate) fn volumes(pod: &Pod) -> Result<Vec<CsiVolume>, Conflict> {
    bounds::check_csi_volumes(pod.spec.iter().flat_map(of_driver).count())?;
    let mut volumes = Vec::new();
    for (volume, source) in pod.spec.iter().flat_map(of_driver) {
        let attributes = source.volume_attributes.as_ref();
        let class = attributes.and_then(|attributes| attributes.get(CLASS));
        let class = class.map(String::as_str).unwrap_or_default();
        let invalid = |reason: String| Conflict::CsiVolume {
            volume: volume.name.clone(),
            reason,
        };
        if class.is_empty() {
            return Err(invalid(format!(
                "volumeAttributes.{CLASS} is required: the name of a class in the pod's namespace"
            )));
        }
        let class = class.parse::<ObjectName>();
        let parameters = attributes.into_iter().flatten();
        let parameters = parameters.filter(|(name, _)| !is_of_driver(name));
        volumes.push(CsiVolume {
            name: volume.name.clone(),
            parameters: parameters
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            class: class.map_err(|error| invalid(format!("volumeAttributes.{CLASS}: {error}")))?,
        });
    }
    Ok(volumes)
}

/// What the driver would do for these volumes and this webhook does not, or what neither does.
pub(crate) fn warnings(pod: &Pod, replaced: &BTreeMap<String, CsiVolume>) -> Vec<String> {
    let mut warnings = Vec::new();
    let volumes = pod.spec.iter().flat_map(of_driver);
    for (volume, source) in volumes.filter(|(volume, _)| replaced.contains_key(&volume.name)) {
        let name = &volume.name;
        if source.node_publish_secret_ref.is_some() {
            warnings.push(format!(
                "volume {name:?}: nodePublishSecretRef has no effect: the pod's own IAM role reads its secrets"
            ));
        }
    }
    for container in crate::pod::view::containers(pod) {
        for mount in container.volume_mounts.iter().flatten() {
            let propagates = mount.mount_propagation.as_deref();
            if replaced.contains_key(&mount.name)
                && propagates.is_some_and(|propagates| propagates != "None")
            {
                warnings.push(format!(
                    "container {:?}: mountPropagation of the volume {:?} has no effect: nothing is mounted below it",
                    container.name, mount.name
                ));
            }
        }
    }
    warnings
}

/// Is it an attribute that the provider does not take as a parameter?
fn is_of_driver(attribute: &str) -> bool {
    [CLASS, "providerName"].contains(&attribute) || attribute.starts_with("csi.storage.k8s.io/")
}

/// The volumes of the driver, with what they say to it.
pub(super) fn of_driver(spec: &PodSpec) -> impl Iterator<Item = (&Volume, &CSIVolumeSource)> {
    let volumes = spec.volumes.iter().flatten();
    let volumes = volumes.filter_map(|volume| Some((volume, volume.csi.as_ref()?)));
    volumes.filter(|(_, source)| source.driver == DRIVER)
}

/// What a mount takes of a volume of the driver; nothing where it takes all of it.
pub(crate) fn part(mount: &VolumeMount) -> Option<&str> {
    let mut part = mount.sub_path.as_deref()?;
    while let Some(rest) = part.strip_prefix("./") {
        part = rest;
    }
    (!matches!(part, "" | ".")).then_some(part)
}

/// The mount of a volume that is replaced: its files only, and read-only, as the driver's volumes are.
pub(crate) fn files_mount(mount: &VolumeMount) -> VolumeMount {
    let sub_path = match part(mount) {
        None => FILES.to_owned(),
        // The API server refuses it.
        Some(part) if part.starts_with('/') => part.to_owned(),
        Some(part) => format!("{FILES}/{part}"),
    };
    VolumeMount {
        read_only: Some(true),
        sub_path: Some(sub_path),
        mount_propagation: None,
        ..mount.clone()
    }
}

/// The annotations by which the next pass knows what is replaced; `None` for one that is not needed.
pub(crate) fn marks(replaced: &BTreeMap<String, CsiVolume>) -> [(&'static str, Option<String>); 2] {
    let volumes: Vec<String> = replaced
        .values()
        .map(|volume| format!("{}={}", volume.name, volume.class))
        .collect();
    let parameters = replaced.values();
    let parameters = parameters.filter(|volume| !volume.parameters.is_empty());
    let parameters: BTreeMap<_, _> = parameters
        .map(|volume| (&volume.name, &volume.parameters))
        .collect();
    let has = |is_empty: bool, value: String| (!is_empty).then_some(value);
    [
        (REPLACED, has(volumes.is_empty(), volumes.join(","))),
        (
            PARAMETERS,
            has(parameters.is_empty(), json!(parameters).to_string()),
        ),
    ]
}

/// Gives a pod back the volumes and mounts that an earlier pass has replaced.
pub(crate) fn restore(pod: &mut Pod) {
    let mut restored = BTreeSet::new();
    let annotations = pod.metadata.annotations.as_mut();
    let (written, parameters) = annotations.map_or((None, None), |annotations| {
        (annotations.remove(REPLACED), annotations.remove(PARAMETERS))
    });
    let (Some(written), Some(spec)) = (written, &mut pod.spec) else {
        return;
    };
    let parameters = parameters.and_then(|json| serde_json::from_str(&json).ok());
    let mut parameters: BTreeMap<String, BTreeMap<String, String>> = parameters.unwrap_or_default();
    let pairs = written.split(',').filter_map(|pair| pair.split_once('='));
    let classes: BTreeMap<&str, &str> = pairs.collect();
    for volume in spec.volumes.iter_mut().flatten() {
        let tmpfs = volume.empty_dir.as_ref();
        if tmpfs.is_some_and(|tmpfs| tmpfs.medium.as_deref() == Some("Memory"))
            && let Some(class) = classes.get(&*volume.name)
        {
            let mut attributes = parameters.remove(&volume.name).unwrap_or_default();
            attributes.insert(CLASS.to_owned(), (*class).to_owned());
            volume.empty_dir = None;
            volume.csi = Some(CSIVolumeSource {
                driver: DRIVER.to_owned(),
                read_only: Some(true),
                volume_attributes: Some(attributes),
                ..CSIVolumeSource::default()
            });
            restored.insert(volume.name.clone());
        }
    }
    let init_containers = spec.init_containers.iter_mut().flatten();
    for container in init_containers.chain(&mut spec.containers) {
        for mount in container.volume_mounts.iter_mut().flatten() {
            if restored.contains(&mount.name)
                && let Some(part) = mount.sub_path.as_deref()
            {
                // Anything else is a change since then.
                match part.strip_prefix(FILES) {
                    Some("") => mount.sub_path = None,
                    Some(rest) if rest.starts_with('/') => {
                        mount.sub_path = Some(rest[1..].to_owned());
                    }
                    _ => {}
                }
            }
        }
    }
}
