//! Windows pods, which the injector cannot serve: its image is only for Linux.

use k8s_openapi::api::core::v1::{NodeSelectorTerm, Pod, PodSpec, WindowsSecurityContextOptions};

use crate::pod::view::containers;

/// Labels of nodes with their operating system; the second one is the older name.
///
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-os>.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

const LINUX: &str = "linux";

/// Is it a pod for Windows nodes? What names the operating system decides; windowsOptions have no effect on Linux.
pub(crate) fn is_windows(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let selector = spec.node_selector.as_ref();
    let selected = OS_LABELS
        .iter()
        .find_map(|label| selector?.get(*label).map(String::as_str));
    match spec.os.as_ref().map(|os| os.name.as_str()).or(selected) {
        Some(os) => os == "windows",
        None if requires(spec, is_linux) => false,
        None => requires(spec, excludes_linux) || has_windows_options(spec, pod),
    }
}

/// Has each alternative of the required node affinity an expression of the operating system with such an operator and values?
fn requires(spec: &PodSpec, is_such: impl Fn(&str, &[String]) -> bool) -> bool {
    let affinity = spec.affinity.as_ref();
    let required = affinity.and_then(|affinity| {
        let nodes = affinity.node_affinity.as_ref()?;
        nodes
            .required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    let has_such = |term: &NodeSelectorTerm| {
        let mut expressions = term.match_expressions.iter().flatten();
        expressions.any(|expression| {
            OS_LABELS.contains(&expression.key.as_str())
                && is_such(
                    &expression.operator,
                    expression.values.as_deref().unwrap_or_default(),
                )
        })
    };
    required.is_some_and(|required| {
        let terms = &required.node_selector_terms;
        !terms.is_empty() && terms.iter().all(has_such)
    })
}

fn is_linux(operator: &str, values: &[String]) -> bool {
    operator == "In" && values == [LINUX]
}

fn excludes_linux(operator: &str, values: &[String]) -> bool {
    let has_linux = values.iter().any(|os| os == LINUX);
    match operator {
        "In" => !has_linux,
        "NotIn" => has_linux,
        _ => false,
    }
}

fn has_windows_options(spec: &PodSpec, pod: &Pod) -> bool {
    let of_pod = spec.security_context.as_ref();
    let of_containers = containers(pod).filter_map(|container| {
        let security = container.security_context.as_ref()?;
        security.windows_options.as_ref()
    });
    of_pod
        .and_then(|security| security.windows_options.as_ref())
        .into_iter()
        .chain(of_containers)
        .any(|options| {
            let without = WindowsSecurityContextOptions {
                host_process: options.host_process.filter(|is_set| !is_set),
                ..WindowsSecurityContextOptions::default()
            };
            *options != without
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(spec: &Value) -> bool {
        is_windows(&serde_json::from_value(json!({ "spec": spec })).unwrap())
    }

    fn affinity(terms: &[Value]) -> Value {
        let terms: Vec<_> = terms
            .iter()
            .map(|expression| json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}, expression]}))
            .collect();
        json!({"containers": [], "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
        }}})
    }

    #[test]
    fn a_windows_pod_is_recognized_by_each_way_to_request_a_node() {
        let expression = |key: &str, operator: &str, os: &[&str]| json!({"key": key, "operator": operator, "values": os});
        let windows = expression("kubernetes.io/os", "In", &["windows"]);
        for spec in [
            json!({"containers": [], "os": {"name": "windows"}}),
            json!({"containers": [], "nodeSelector": {"kubernetes.io/os": "windows"}}),
            json!({"containers": [], "nodeSelector": {"beta.kubernetes.io/os": "windows"}}),
            affinity(std::slice::from_ref(&windows)),
            affinity(&[expression("beta.kubernetes.io/os", "In", &["windows"])]),
            affinity(&[
                expression("kubernetes.io/os", "NotIn", &["linux"]),
                windows.clone(),
            ]),
            json!({"containers": [], "securityContext": {"windowsOptions": {"hostProcess": true}}}),
            json!({"containers": [{"name": "app", "securityContext": {"windowsOptions": {"runAsUserName": "u"}}}]}),
            json!({"containers": [], "initContainers": [{"name": "app", "securityContext": {"windowsOptions": {"hostProcess": true}}}]}),
        ] {
            assert!(of(&spec), "{spec}");
        }
        for spec in [
            json!({"containers": []}),
            json!({"containers": [], "os": {"name": "linux"}, "nodeSelector": {"kubernetes.io/os": "linux"}}),
            affinity(&[
                expression("kubernetes.io/os", "In", &["linux"]),
                windows.clone(),
            ]),
            affinity(&[expression("kubernetes.io/os", "In", &["linux", "windows"])]),
            affinity(&[expression("kubernetes.io/os", "NotIn", &["windows"])]),
            affinity(&[]),
            json!({"containers": [], "securityContext": {"windowsOptions": {"hostProcess": false}}}),
            json!({"containers": [], "nodeSelector": {"kubernetes.io/os": "linux"},
                "securityContext": {"windowsOptions": {"runAsUserName": "u"}}}),
            {
                let mut linux = affinity(&[expression("kubernetes.io/os", "In", &["linux"])]);
                linux["securityContext"] = json!({"windowsOptions": {"runAsUserName": "u"}});
                linux
            },
        ] {
            assert!(!of(&spec), "{spec}");
        }
    }
}
