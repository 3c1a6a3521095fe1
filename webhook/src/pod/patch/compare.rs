//! Reinvocation: what of an earlier pass stays. The injected containers and volumes become what this pass would add. What the API
//! server fills in makes no difference, and a container keeps what other webhooks change in all containers of a pod.

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, Volume, VolumeMount};
use provider_class::network::{AGENT, AgentUri};

use crate::pod::quantity::amount;
use crate::pod::strip::mount_path;

/// Where Kubernetes and EKS's webhook mount tokens.
const TOKENS: [&str; 3] = [
    "/var/run/secrets/kubernetes.io/serviceaccount",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
];
/// The variables that EKS's webhook sets, besides [`AGENT`]. Where the plan does not have them, the injector does not need them.
const OF_EKS: [&str; 6] = [
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
/// The variables of a proxy, in capitals. The injector checks AWS's certificates behind it, too.
const OF_PROXIES: [&str; 4] = ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// The planned container, with what other webhooks may have changed in the existing one.
pub(super) fn with_changes_of_others(
    planned: &Container,
    existing: &Container,
    spec: &PodSpec,
) -> Container {
    let mut container = planned.clone();
    if !has_plan(existing, planned) {
        return container;
    }
    if existing.image.is_some() {
        container.image.clone_from(&existing.image);
        container
            .image_pull_policy
            .clone_from(&existing.image_pull_policy);
    }
    container.resources.clone_from(&existing.resources);
    container.resize_policy.clone_from(&existing.resize_policy);
    // A service mesh lets its proxy ask.
    let probe = existing.liveness_probe.as_ref();
    if planned.liveness_probe.is_some() && probe.is_some_and(|probe| probe.http_get.is_some()) {
        container.liveness_probe = probe.cloned();
    }
    let variables = existing.env.iter().flatten();
    let added = variables.filter(|variable| {
        let mut planned = planned.env.iter().flatten();
        is_of_others(variable) && planned.all(|planned| planned.name != variable.name)
    });
    container.env.get_or_insert_default().extend(added.cloned());
    let mounts = existing.volume_mounts.iter().flatten();
    let added = mounts.filter(|mount| {
        let mut planned = planned.volume_mounts.iter().flatten();
        is_token(mount, spec) && planned.all(|planned| planned.mount_path != mount.mount_path)
    });
    let mounts = container.volume_mounts.get_or_insert_default();
    mounts.extend(added.cloned());
    container
}

/// Was it planned like this one, whatever was added since? Otherwise it is from an exported pod or another version of the webhook, and
/// its image may not know what this plan needs.
fn has_plan(existing: &Container, planned: &Container) -> bool {
    let mut variables = planned.env.iter().flatten();
    existing.args == planned.args
        && (existing.liveness_probe.is_some() || planned.liveness_probe.is_none())
        && variables.all(|planned| {
            let mut existing = existing.env.iter().flatten();
            existing.any(|other| {
                other.name == planned.name && plain_variable(other) == plain_variable(planned)
            })
        })
}

/// Do other webhooks set this variable in all containers, without effect on where the injector sends a token?
fn is_of_others(variable: &EnvVar) -> bool {
    let name = variable.name.as_str();
    let is_of_agent = || {
        let value = variable.value.as_deref();
        name == AGENT && matches!(value, Some(AgentUri::IPV4 | AgentUri::IPV6))
    };
    OF_EKS.contains(&name)
        || OF_PROXIES.contains(&name.to_ascii_uppercase().as_str())
        || is_of_agent()
}

/// Is it a token that Kubernetes or another webhook mounts?
fn is_token(mount: &VolumeMount, spec: &PodSpec) -> bool {
    let mut volumes = spec.volumes.iter().flatten();
    mount.read_only == Some(true)
        && TOKENS.contains(&mount.mount_path.as_str())
        && volumes.any(|volume| volume.name == mount.name && volume.projected.is_some())
}

/// Is it the container that it should be?
pub(super) fn is_current(existing: &Container, wanted: &Container, spec: &PodSpec) -> bool {
    plain(existing, spec) == plain(wanted, spec)
}

/// Without the API server's defaults, and its lists in one order.
fn plain(container: &Container, spec: &PodSpec) -> Container {
    let mut container = container.clone();
    let variables = container.env.iter().flatten();
    let mut variables: Vec<EnvVar> = variables.map(plain_variable).collect();
    variables.sort_by(|one, other| one.name.cmp(&other.name));
    container.env = Some(variables);
    for mount in container.volume_mounts.iter_mut().flatten() {
        mount.read_only.take_if(|read_only| !*read_only);
        mount.sub_path.take_if(|path| path.is_empty());
    }
    for port in container.ports.iter_mut().flatten() {
        port.protocol.take_if(|protocol| protocol == "TCP");
        let number = port.container_port;
        port.host_port
            .take_if(|host_port| spec.host_network == Some(true) && *host_port == number);
    }
    if let Some(security) = &mut container.security_context {
        security.proc_mount.take_if(|kind| kind == "Default");
    }
    container
        .termination_message_path
        .take_if(|path| path == "/dev/termination-log");
    let mounts = container.volume_mounts.get_or_insert_default();
    mounts.sort_by(|one, other| one.mount_path.cmp(&other.mount_path));
    container
}

fn plain_variable(variable: &EnvVar) -> EnvVar {
    let mut variable = variable.clone();
    // Some programs leave it out.
    variable.value.take_if(|value| value.is_empty());
    if let Some(source) = &mut variable.value_from {
        if let Some(field) = &mut source.field_ref {
            field.api_version.take_if(|version| version == "v1");
        }
        if let Some(key) = &mut source.file_key_ref {
            key.optional.take_if(|is_optional| !*is_optional);
        }
    }
    variable
}

/// The same part of the same volume, as readable or writable as it should be.
pub(super) fn is_current_mount(existing: &VolumeMount, planned: &VolumeMount) -> bool {
    existing.name == planned.name
        && mount_path(existing) == mount_path(planned)
        && existing.read_only.unwrap_or_default() == planned.read_only.unwrap_or_default()
        && existing.sub_path.as_deref().unwrap_or_default()
            == planned.sub_path.as_deref().unwrap_or_default()
        && existing.sub_path_expr.is_none()
}

/// Is it the same variable?
pub(super) fn is_current_variable(existing: &EnvVar, planned: &EnvVar) -> bool {
    plain_variable(existing) == plain_variable(planned)
}

/// Is it the volume that it should be?
pub(super) fn is_current_volume(existing: &Volume, planned: &Volume) -> bool {
    let mut existing = existing.clone();
    if let Some(projected) = &mut existing.projected {
        projected.default_mode.take_if(|mode| *mode == 0o644);
    }
    if let (Some(existing), Some(planned)) = (&mut existing.empty_dir, &planned.empty_dir) {
        existing.medium.take_if(|medium| medium.is_empty());
        // The API server writes a quantity in its own way.
        let size = |limit: &Option<_>| limit.as_ref().map(amount);
        if size(&existing.size_limit) == size(&planned.size_limit) {
            existing.size_limit.clone_from(&planned.size_limit);
        }
    }
    existing == *planned
}
