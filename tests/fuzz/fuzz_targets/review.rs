//! Any bytes as the body of an AdmissionReview of a pod: parsing never panics. If a pod is injected, the patch applies, the
//! result is still a pod, and a second call changes nothing. The same pod, grown to the API server's maximum, is answered within
//! the time limit (`-timeout` in `run`): processing time does not grow faster than the input.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_secrets_webhook::admission::inject;
use aws_secrets_webhook::pod::Role;
use aws_secrets_webhook::pod::annotations::{ClassMount, PodRequest, RequestedClass, Resources};
use aws_secrets_webhook::pod::class::MountedClass;
use aws_secrets_webhook::pod::injection::{InjectorSettings, Inputs};
use aws_secrets_webhook::pod::strip::Stripped;
use aws_secrets_webhook::server::review::{self, PODS};
use json_patch::Patch;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use provider_class::{Class, SecretProviderClassSpec};
use serde_json::Value;

static ROLE: LazyLock<Role> = LazyLock::new(|| Role {
    arn: "arn:aws:iam::111122223333:role/web"
        .parse()
        .expect("an ARN"),
    audience: "sts.amazonaws.com".to_owned(),
    expiration: 3600,
});

static SETTINGS: LazyLock<InjectorSettings> = LazyLock::new(|| InjectorSettings {
    user_is_assigned: false,
    image: "injector:1".to_owned(),
    image_pull_policy: None,
    resources: Resources::default(),
    size_limit: Quantity("16Mi".to_owned()),
    environment: Vec::new(),
    api_server: None,
});

/// Checks one input.
pub(crate) fn run(body: &[u8]) {
    let Ok(request) = review::read::<Pod>(body, PODS) else {
        return;
    };
    let Some(pod) = request.object else { return };
    let _ = patch_of(&grown(&pod));
    let Some(patch) = patch_of(&pod) else { return };
    // Fields that are not read may contain invalid text.
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let mut raw = body["request"]["object"].clone();
    // The API server always sets these.
    if !raw["spec"].is_object() || !raw["metadata"].is_object() {
        return;
    }
    json_patch::patch(&mut raw, &patch).expect("the patch applies");
    let injected: Pod = serde_json::from_value(raw).expect("it is still a pod");
    let again = patch_of(&injected).expect("it can be injected again");
    assert!(again.is_empty(), "{again:?}");
}

/// Size of all annotations together: the API server's limit.
const ANNOTATIONS: usize = 256 * 1024;
/// Number of volumes, and of mounts and variables per container: about the maximum of a pod.
const ELEMENTS: usize = 1000;
/// Number of containers.
const CONTAINERS: usize = 250;

/// The same pod with longer lists in its annotations and more containers, mounts, variables and volumes.
fn grown(pod: &Pod) -> Pod {
    let mut pod = pod.clone();
    let annotations = pod.metadata.annotations.as_mut();
    let share = ANNOTATIONS / annotations.as_ref().map_or(1, |all| all.len().max(1));
    for value in annotations.into_iter().flat_map(BTreeMap::values_mut) {
        let item = std::mem::take(value);
        // Each gets a unique name; a duplicate would be refused at once.
        for index in 0.. {
            if value.len() + item.len() > share {
                break;
            }
            value.push_str(&item);
            value.push_str(&index.to_string());
            value.push(',');
        }
        value.pop();
    }
    if let Some(spec) = &mut pod.spec {
        // All containers together can have four times as many.
        let first = spec
            .init_containers
            .iter_mut()
            .flatten()
            .chain(&mut spec.containers)
            .take(3);
        for container in first {
            grow(&mut container.volume_mounts, ELEMENTS);
            grow(&mut container.env, ELEMENTS);
        }
        grow(&mut spec.volumes, ELEMENTS);
        if spec.containers.len() == 1 {
            grow(&mut spec.init_containers, CONTAINERS);
        }
    }
    pod
}

fn grow<T: Clone>(list: &mut Option<Vec<T>>, elements: usize) {
    if let Some(list) = list
        && !list.is_empty()
    {
        *list = list.iter().cycle().take(elements).cloned().collect();
    }
}

fn patch_of(pod: &Pod) -> Option<Patch> {
    let request = PodRequest::read(pod.metadata.annotations.as_ref()?).ok()??;
    let region = "us-east-2".parse().expect("a region");
    let classes: Vec<_> = request.classes.iter().map(class).collect::<Option<_>>()?;
    let inputs = Inputs {
        request: &request,
        classes: &classes,
        role: Some(&ROLE),
        default_region: Some(&region),
        settings: &SETTINGS,
        pod: &Stripped::new(pod).ok()?,
    };
    inject(inputs).ok().map(|admitted| admitted.patch)
}

/// A named class has a file of a restrictive mode. `None` for annotations that describe no class.
fn class(mount: &ClassMount) -> Option<MountedClass> {
    let name = mount.class.name();
    let spec = match &mount.class {
        RequestedClass::Named(name) | RequestedClass::Shared { name, .. } => {
            let objects = format!(
                "- {{objectName: {name}, objectType: secretsmanager, filePermission: \"0440\"}}"
            );
            SecretProviderClassSpec::aws([("objects", objects)])
        }
        RequestedClass::Annotated(parameters) => SecretProviderClassSpec::aws(parameters.clone()),
    };
    Some(MountedClass {
        mount_path: mount.mount_path.clone(),
        volume: mount.volume.clone(),
        class: Class::parse(name, &spec).ok()?.into(),
        parameters: spec.parameters.into(),
        version: 0,
    })
}
