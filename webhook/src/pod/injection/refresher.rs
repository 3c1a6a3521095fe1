//! The sidecar that refreshes the files.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, ContainerRestartRule, ContainerRestartRuleOnExitCodes, HTTPGetAction,
    Probe,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use provider_class::refresh::PROBE_PATH;
use provider_class::{OnRefresh, RESTART_EXIT_STATUS};

use super::resources::Runs;
use super::{Common, variable};
use crate::pod::annotations::Refresh;
use crate::pod::contract::REFRESHER;

/// An init container that keeps running until the pod ends.
///
/// Source: <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>.
pub(super) fn container(common: &Common<'_>, refresh: &Refresh) -> Container {
    let mut container = super::container(common, Runs::Beside);
    let on_refresh = refresh.on_refresh.as_ref().map(ToString::to_string);
    let metrics = refresh.metrics_port.map(|port| format!("[::]:{port}"));
    let variables = [
        ("REFRESH_INTERVAL", Some(refresh.interval.to_string())),
        ("ON_REFRESH", on_refresh),
        ("METRICS_LISTEN", metrics),
    ];
    let variables = variables
        .into_iter()
        .filter_map(|(name, value)| Some(variable(name, &value?)));
    container.env.get_or_insert_default().extend(variables);
    Container {
        name: REFRESHER.to_owned(),
        args: Some(vec!["refresh".to_owned()]),
        restart_policy: Some("Always".to_owned()),
        restart_policy_rules: (refresh.on_refresh == Some(OnRefresh::Restart))
            .then(|| vec![restart_rule()]),
        liveness_probe: refresh.metrics_port.map(probe),
        ports: refresh.metrics_port.map(|port| {
            vec![ContainerPort {
                name: Some("refresh-metrics".to_owned()),
                container_port: i32::from(port),
                ..ContainerPort::default()
            }]
        }),
        ..container
    }
}

/// Notices a sidecar that another process has stopped (SIGSTOP), by its metrics port. It answers there before it refreshes for the
/// first time, and while it refreshes; two minutes without an answer are more than the little processor time explains that it may
/// have. A failure restarts only the sidecar. A stopped process cannot end in its own time, so it is not given the pod's.
fn probe(port: u16) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(PROBE_PATH.to_owned()),
            port: IntOrString::Int(i32::from(port)),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(30),
        timeout_seconds: Some(10),
        failure_threshold: Some(4),
        termination_grace_period_seconds: Some(5),
        ..Probe::default()
    }
}

/// The kubelet restarts all containers of the pod when the sidecar ends because files changed.
///
/// Source: <https://www.kubernetes.dev/resources/keps/5532/>.
fn restart_rule() -> ContainerRestartRule {
    ContainerRestartRule {
        action: "RestartAllContainers".to_owned(),
        exit_codes: Some(ContainerRestartRuleOnExitCodes {
            operator: "In".to_owned(),
            values: Some(vec![i32::from(RESTART_EXIT_STATUS)]),
        }),
    }
}
