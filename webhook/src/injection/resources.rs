//! Requests and limits of the injected containers: they neither change the pod's quality of service, nor lack what a quota asks
//! every container for.
//!
//! An init container is done before the others begin, so the scheduler counts the larger of its needs and theirs; those of a
//! sidecar are counted beside theirs:
//! <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers>.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::annotations::Resources;

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// Before the others, and then no more.
    First,
    /// For as long as the others.
    Beside,
}

/// The CPU limit of a sidecar that needs one: a look at twenty secrets takes a fifth of a second with it.
const SIDECAR_CPU: &str = "50m";

/// By the pod's annotations, or else the platform's settings, and fitting to the pod.
pub(super) fn of(
    wanted: &Resources,
    settings: &Resources,
    pod: &Pod,
    runs: Runs,
) -> ResourceRequirements {
    let containers = containers(pod);
    let is_guaranteed = is_guaranteed(&containers);
    let pair =
        |name: &'static str, wanted: [&Option<Quantity>; 2], settings: [&Option<Quantity>; 2]| {
            let [request, limit] = wanted;
            let common = common_limit(&containers, name);
            let common = match (runs, name) {
                (Runs::Beside, "cpu") => {
                    let enough = Some(Quantity(SIDECAR_CPU.to_owned()));
                    common.and_then(|largest| at_most(enough, Some(&largest)))
                }
                _ => common,
            };
            let limit_or_default = limit.clone().or_else(|| settings[1].clone()).or(common);
            let request_or_default = match (request, &limit_or_default) {
                (Some(request), _) => Some(request.clone()),
                (None, Some(limit)) if is_guaranteed => Some(limit.clone()),
                (None, limit_of_it) => at_most(settings[0].clone(), limit_of_it.as_ref()),
            };
            // A larger request by annotation raises a limit that nobody wrote for this pod.
            let limit = if limit.is_some() {
                limit_or_default
            } else {
                at_least(limit_or_default, request_or_default.as_ref())
            };
            (name, request_or_default, limit)
        };
    let pairs = [
        pair(
            "cpu",
            [&wanted.cpu_request, &wanted.cpu_limit],
            [&settings.cpu_request, &settings.cpu_limit],
        ),
        pair(
            "memory",
            [&wanted.memory_request, &wanted.memory_limit],
            [&settings.memory_request, &settings.memory_limit],
        ),
    ];
    let map = |values: [(&str, Option<Quantity>); 2]| {
        let map: BTreeMap<String, Quantity> = values
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
        (!map.is_empty()).then_some(map)
    };
    ResourceRequirements {
        requests: map(pairs.clone().map(|(name, request, _)| (name, request))),
        limits: map(pairs.map(|(name, _, limit)| (name, limit))),
        ..ResourceRequirements::default()
    }
}

/// All containers that the pod came with.
fn containers(pod: &Pod) -> Vec<&Container> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let init = spec.init_containers.iter().flatten();
    init.filter(|container| !super::is_injected(&container.name))
        .chain(&spec.containers)
        .collect()
}

fn get<'a>(container: &'a Container, limits: bool, name: &str) -> Option<&'a Quantity> {
    let resources = container.resources.as_ref()?;
    let map = if limits {
        &resources.limits
    } else {
        &resources.requests
    };
    map.as_ref()?.get(name)
}

/// Where every container has a limit, as a ResourceQuota asks for: the largest of them, which the pod has room for.
fn common_limit(containers: &[&Container], name: &str) -> Option<Quantity> {
    let limits: Option<Vec<_>> = containers
        .iter()
        .map(|container| get(container, true, name))
        .collect();
    let largest = |one: &&&Quantity, other: &&&Quantity| amount(one).total_cmp(&amount(other));
    limits?
        .iter()
        .max_by(largest)
        .map(|largest| (*largest).clone())
}

/// Source: <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/#guaranteed>.
fn is_guaranteed(containers: &[&Container]) -> bool {
    let same = |container: &&&Container, name: &str| {
        let request = get(container, false, name);
        get(container, true, name).is_some_and(|limit| {
            // A request that is not there is taken from the limit.
            request.is_none_or(|request| amount(request).total_cmp(&amount(limit)).is_eq())
        })
    };
    let all = |name: &str| containers.iter().all(|container| same(&container, name));
    !containers.is_empty() && all("cpu") && all("memory")
}

fn at_most(value: Option<Quantity>, bound: Option<&Quantity>) -> Option<Quantity> {
    match (value, bound) {
        (Some(value), Some(bound)) if amount(&value) > amount(bound) => Some(bound.clone()),
        (value, _) => value,
    }
}

fn at_least(value: Option<Quantity>, bound: Option<&Quantity>) -> Option<Quantity> {
    match (value, bound) {
        (Some(value), Some(bound)) if amount(&value) < amount(bound) => Some(bound.clone()),
        (value, _) => value,
    }
}

/// A quantity as a number, near enough to compare: `1500m` is 1.5, `64Mi` is 67108864.
///
/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
pub(crate) fn amount(quantity: &Quantity) -> f64 {
    let text = quantity.0.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024f64,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        // Also 1e3, which is a number as it is.
        _ => return text.parse().unwrap_or_default(),
    };
    number.parse::<f64>().unwrap_or_default() * scale
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings() -> Resources {
        let quantity = |text: &str| Some(Quantity(text.to_owned()));
        Resources {
            cpu_request: quantity("10m"),
            cpu_limit: None,
            memory_request: quantity("32Mi"),
            memory_limit: quantity("64Mi"),
        }
    }

    /// The result as JSON, for a pod whose containers have these resources.
    fn of(wanted: &Resources, containers: &[Value]) -> Value {
        of_one_that(Runs::First, wanted, containers)
    }

    fn of_one_that(runs: Runs, wanted: &Resources, containers: &[Value]) -> Value {
        let containers: Vec<_> = containers
            .iter()
            .enumerate()
            .map(|(index, resources)| json!({"name": format!("c{index}"), "resources": resources}))
            .collect();
        let pod = serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap();
        json!(super::of(wanted, &settings(), &pod, runs))
    }

    #[test]
    fn the_settings_where_nobody_says_otherwise() {
        let expected =
            json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}});
        assert_eq!(of(&Resources::default(), &[json!({})]), expected);
        let one_limit = json!({"limits": {"cpu": "1"}});
        assert_eq!(of(&Resources::default(), &[one_limit, json!({})]), expected);
    }

    #[test]
    fn where_every_container_has_a_cpu_limit_ours_has_the_largest() {
        let limit = |cpu: &str| json!({"limits": {"cpu": cpu}});
        let resources = of(
            &Resources::default(),
            &[limit("250m"), limit("1"), limit("0.5")],
        );
        assert_eq!(resources["limits"], json!({"cpu": "1", "memory": "64Mi"}));
        assert_eq!(resources["requests"]["cpu"], "10m");
        let tiny = of(&Resources::default(), &[limit("5m")]);
        assert_eq!(
            (&tiny["limits"]["cpu"], &tiny["requests"]["cpu"]),
            (&json!("5m"), &json!("5m"))
        );
    }

    #[test]
    fn a_guaranteed_pod_stays_guaranteed() {
        let resources =
            json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2000m"}});
        let ours = of(&Resources::default(), &[resources]);
        assert_eq!(ours["limits"], json!({"cpu": "2", "memory": "64Mi"}));
        assert_eq!(ours["requests"], ours["limits"]);
    }

    #[test]
    fn a_sidecar_takes_little_because_it_stays() {
        let sidecar = |resources| of_one_that(Runs::Beside, &Resources::default(), &[resources]);
        let limited = sidecar(json!({"limits": {"cpu": "2"}}));
        assert_eq!(limited["limits"], json!({"cpu": "50m", "memory": "64Mi"}));
        assert_eq!(limited["requests"]["cpu"], "10m");
        let guaranteed = sidecar(json!({"limits": {"cpu": "2", "memory": "1Gi"}}));
        assert_eq!(
            guaranteed["limits"],
            json!({"cpu": "50m", "memory": "64Mi"})
        );
        assert_eq!(guaranteed["requests"], guaranteed["limits"]);
        assert_eq!(
            sidecar(json!({"limits": {"cpu": "5m"}}))["limits"]["cpu"],
            "5m"
        );
        assert!(sidecar(json!({}))["limits"]["cpu"].is_null());
    }

    #[test]
    fn annotations_win_and_the_other_bound_follows() {
        let quantity = |text: &str| Some(Quantity(text.to_owned()));
        let small_limit = Resources {
            memory_limit: quantity("16Mi"),
            ..Resources::default()
        };
        let ours = of(&small_limit, &[json!({})]);
        assert_eq!(
            (&ours["requests"]["memory"], &ours["limits"]["memory"]),
            (&json!("16Mi"), &json!("16Mi"))
        );
        let large_request = Resources {
            memory_request: quantity("128Mi"),
            ..Resources::default()
        };
        let ours = of(&large_request, &[json!({})]);
        assert_eq!(
            (&ours["requests"]["memory"], &ours["limits"]["memory"]),
            (&json!("128Mi"), &json!("128Mi"))
        );
    }

    #[test]
    fn quantities_are_compared_by_their_amount() {
        let amount = |text: &str| amount(&Quantity(text.to_owned()));
        for (one, other) in [
            ("1500m", "1.5"),
            ("1Ki", "1024"),
            ("1e3", "1k"),
            ("2E", "2000P"),
        ] {
            assert!(
                amount(one).total_cmp(&amount(other)).is_eq(),
                "{one} {other}"
            );
        }
        assert!(amount("64Mi") < amount("1Gi"));
    }
}
