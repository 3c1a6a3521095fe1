//! Whether the sidecar can signal the app, and the app the sidecar, judged only by the pod's fields.

use k8s_openapi::api::core::v1::Pod;
use provider_class::{Notification, OnRefresh};

use crate::pod::annotations::{ON_REFRESH, PREFIX, PodRequest, REFRESH_METRICS_PORT};
use crate::pod::contract::REFRESHER;
use crate::pod::identity::{self, Owner};
use crate::pod::view::{containers, is_sidecar};

/// Why the sidecar cannot signal the app.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSignal {
    /// No such container.
    #[error("annotation {PREFIX}{ON_REFRESH}: the pod has no container {0:?}")]
    NoContainer(String),
    /// The sidecar would not see the app's process.
    #[error(
        "annotation {PREFIX}{ON_REFRESH}: a signal reaches another container only with shareProcessNamespace: true in the pod's spec: set it, or use http:POST:PORT/PATH"
    )]
    OwnProcesses,
    /// The kernel lets a user signal only its own processes.
    #[error(
        "annotation {PREFIX}{ON_REFRESH}: container {container:?} runs as user {user}, but the sidecar runs as user {own} and cannot signal it: set the annotation {PREFIX}run-as-user: \"{user}\""
    )]
    OtherUser {
        /// The container.
        container: String,
        /// Its user.
        user: i64,
        /// Ours.
        own: i64,
    },
}

/// Checks that the signal can be sent. A warning means that it depends on an image, or that the sidecar can be stopped.
pub(crate) fn check(
    request: &PodRequest,
    pod: &Pod,
    owner: Owner,
) -> Result<Vec<String>, NoSignal> {
    let mut warnings = check_signal(request, pod, owner.user)?;
    warnings.extend(stoppable(request, pod, owner.user));
    Ok(warnings)
}

/// A warning where a container's processes can stop the sidecar, so that files just stay as they are. The kubelet notices that
/// only by the metrics port.
fn stoppable(request: &PodRequest, pod: &Pod, own: i64) -> Option<String> {
    let refresh = request.refresh.as_ref()?;
    let is_shared = pod.spec.as_ref()?.share_process_namespace == Some(true);
    if !is_shared || refresh.metrics_port.is_some() {
        return None;
    }
    let mut containers = containers(pod);
    let (name, user) = containers.find_map(|container| {
        let user = identity::user_of(container, pod)?;
        (user == own || user == 0).then_some((&container.name, user))
    })?;
    Some(format!(
        "container {name:?} runs as user {user} and shares processes with the sidecar {REFRESHER}, so it can stop the sidecar unnoticed: set the annotation {PREFIX}{REFRESH_METRICS_PORT}, by which the kubelet restarts a stopped sidecar, or use different users"
    ))
}

fn check_signal(request: &PodRequest, pod: &Pod, own: i64) -> Result<Vec<String>, NoSignal> {
    let refresh = request.refresh.as_ref();
    let on_refresh = refresh.and_then(|refresh| refresh.on_refresh.as_ref());
    let Some(OnRefresh::Notify(Notification::Signal { container, .. })) = on_refresh else {
        return Ok(Vec::new());
    };
    let Some(spec) = &pod.spec else {
        return Ok(Vec::new());
    };
    let init_containers = spec.init_containers.iter().flatten();
    let sidecars = init_containers.filter(|container| is_sidecar(container));
    let target = spec
        .containers
        .iter()
        .chain(sidecars)
        .find(|other| other.name == *container);
    let Some(target) = target else {
        return Err(NoSignal::NoContainer(container.clone()));
    };
    if spec.share_process_namespace != Some(true) {
        return Err(NoSignal::OwnProcesses);
    }
    match identity::user_of(target, pod) {
        Some(user) if user == own => Ok(Vec::new()),
        Some(user) => Err(NoSignal::OtherUser {
            container: container.clone(),
            user,
            own,
        }),
        None => Ok(vec![format!(
            "annotation {PREFIX}{ON_REFRESH}: the signal reaches container {container:?} only if its image's user is {own}: set its runAsUser, or the annotation {PREFIX}run-as-user"
        )]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(on_refresh: &str, spec: &Value) -> Result<Vec<String>, String> {
        let pairs = [
            ("secret-provider-class", "db"),
            ("refresh-interval", "5m"),
            ("on-refresh", on_refresh),
            ("refresh-metrics-port", "9090"),
        ];
        read(&pairs, spec)
    }

    fn read(pairs: &[(&str, &str)], spec: &Value) -> Result<Vec<String>, String> {
        let annotations = pairs
            .iter()
            .map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()))
            .collect();
        let request = PodRequest::read(&annotations).unwrap().unwrap();
        let pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        let owner = identity::owner(&request, &pod, None);
        check(&request, &pod, owner).map_err(|error| error.to_string())
    }

    #[test]
    fn a_signal_needs_a_process_that_can_be_seen_and_signalled() {
        let signal = "signal:SIGHUP:web";
        let spec = |share: bool, user: Value| json!({"shareProcessNamespace": share, "containers": [{"name": "web", "securityContext": {"runAsUser": user}}]});
        assert_eq!(of(signal, &spec(true, json!(7))), Ok(Vec::new()));
        assert!(
            of(signal, &spec(false, json!(7)))
                .unwrap_err()
                .contains("shareProcessNamespace: true")
        );
        assert!(
            of(signal, &spec(true, Value::Null)).unwrap()[0]
                .contains("if its image's user is 65532")
        );
        assert!(
            of("signal:SIGHUP:other", &spec(true, json!(7)))
                .unwrap_err()
                .contains("no container \"other\"")
        );
        let two = json!({"shareProcessNamespace": true, "containers": [
            {"name": "web", "securityContext": {"runAsUser": 7}},
            {"name": "log", "securityContext": {"runAsUser": 8}},
        ]});
        assert!(of(signal, &two).unwrap_err().contains("run-as-user: \"7\""));
    }

    #[test]
    fn a_sidecar_that_can_be_stopped_unnoticed_is_named() {
        let spec = |share: bool, user: i64| json!({"shareProcessNamespace": share, "containers": [{"name": "log"}, {"name": "web", "securityContext": {"runAsUser": user}}]});
        let pairs = [
            ("secret-provider-class", "db"),
            ("refresh-interval", "5m"),
            ("run-as-user", "7"),
            ("refresh-metrics-port", "9090"),
        ];
        let unnoticed = &pairs[..3];
        for (pairs, spec, warns) in [
            (unnoticed, spec(true, 7), true),
            (unnoticed, spec(true, 0), true),
            (unnoticed, spec(true, 8), false),
            (unnoticed, spec(false, 7), false),
            (&pairs[..], spec(true, 7), false),
        ] {
            let warnings = read(pairs, &spec).unwrap();
            assert_eq!(warnings.len(), usize::from(warns), "{warnings:?}");
            let words = "container \"web\" runs as user";
            assert!(warnings.iter().all(|warning| warning.starts_with(words)));
        }
    }

    #[test]
    fn a_request_needs_nothing() {
        assert_eq!(
            of("http:POST:80/", &json!({"containers": [{"name": "web"}]})),
            Ok(Vec::new())
        );
    }
}
