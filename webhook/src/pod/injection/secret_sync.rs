//! What the injected containers need to apply Kubernetes Secrets: a token for the API server, its CA certificates, and the owner
//! of the Secrets.

use k8s_openapi::api::core::v1::ServiceAccountTokenProjection;
use k8s_openapi::api::core::v1::{ConfigMapProjection, EnvVar, KeyToPath, Pod, VolumeProjection};
use kube::ResourceExt as _;
use provider_class::{API_CA_FILE, API_TOKEN_FILE, Owner, SYNC_VARIABLE, SecretSync};

use super::{Inputs, TOKEN_DIRECTORY, field, variable};
use crate::pod::annotations::SecretObjects;

/// The directory in the volume with the tokens.
const DIRECTORY: &str = "kubernetes";
/// Validity of the token in seconds, the shortest that Kubernetes allows.
const EXPIRATION: i64 = 600;
/// The ConfigMap with the API server's CA certificates, which every namespace has.
const CA_CONFIG_MAP: &str = "kube-root-ca.crt";
const CA_KEY: &str = "ca.crt";

/// Does the pod apply Secrets?
pub(crate) fn is_requested(inputs: Inputs<'_>) -> bool {
    let mut classes = inputs.classes.iter();
    inputs.request.secret_objects == SecretObjects::Sync
        && classes.any(|mounted| !mounted.class.secret_objects.is_empty())
}

/// The token and the CA certificates.
pub(super) fn projections() -> [VolumeProjection; 2] {
    let token = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            // That of the API server.
            audience: None,
            expiration_seconds: Some(EXPIRATION),
            path: format!("{DIRECTORY}/{API_TOKEN_FILE}"),
        }),
        ..VolumeProjection::default()
    };
    let certificates = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: CA_CONFIG_MAP.to_owned(),
            items: Some(vec![KeyToPath {
                key: CA_KEY.to_owned(),
                path: format!("{DIRECTORY}/{API_CA_FILE}"),
                mode: None,
            }]),
            optional: None,
        }),
        ..VolumeProjection::default()
    };
    [token, certificates]
}

/// The variables that say how Secrets are applied.
///
/// The kubelet sets those of the API server from Services, and one of the pod's own namespace that is named `kubernetes` comes first.
/// A container's own variables come before both.
pub(super) fn environment(inputs: Inputs<'_>) -> Vec<EnvVar> {
    let owner = controller(&inputs.pod.own);
    // The pod's own UID is known only to the kubelet.
    let of_pod = owner.is_none().then(|| field("POD_UID", "metadata.uid"));
    let sync = SecretSync {
        directory: format!("{TOKEN_DIRECTORY}/{DIRECTORY}"),
        owner,
        versions: inputs
            .classes
            .iter()
            .filter(|mounted| !mounted.class.secret_objects.is_empty())
            .map(|mounted| (mounted.class.name.clone(), mounted.version))
            .collect(),
    };
    let told = variable(SYNC_VARIABLE, &super::escaped(&sync.to_json()));
    let of_server = inputs.settings.api_server.iter().flat_map(|server| {
        [
            variable("KUBERNETES_SERVICE_HOST", &server.host),
            variable("KUBERNETES_SERVICE_PORT", &server.port.to_string()),
        ]
    });
    [told].into_iter().chain(of_pod).chain(of_server).collect()
}

/// What controls the pod, such as a ReplicaSet.
fn controller(pod: &Pod) -> Option<Owner> {
    let mut owners = pod.owner_references().iter();
    let owner = owners.find(|owner| owner.controller == Some(true))?;
    Some(Owner {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
    })
}
