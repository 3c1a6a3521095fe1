//! Requests and limits of the injected containers. They do not change the pod's quality of service, and they have what a quota
//! requires of every container.
//!
//! An init container ends before the others start, so the scheduler counts the larger of its needs and theirs; a sidecar's are
//! added to theirs:
//! <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers>.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::pod::annotations::Resources;
use crate::pod::quantity::amount;
use crate::pod::view::containers;

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// It ends before the others start.
    First,
    /// As long as the others.
    Beside,
}

/// The lowest CPU limit of the first container where nobody sets one: it works for about a quarter of a second, which takes 25 s
/// with 10m.
const FIRST_CPU: &str = "100m";
/// The CPU limit of a sidecar that needs one: with it, checking twenty secrets takes a fifth of a second.
const SIDECAR_CPU: &str = "50m";

/// From the pod's annotations, else from the platform's settings, adjusted to the pod.
pub(super) fn of(
    annotated: &Resources,
    settings: &Resources,
    pod: &Pod,
    runs: Runs,
) -> ResourceRequirements {
    let fit = Fit {
        pod,
        containers: containers(pod).collect(),
        runs,
    };
    let (cpu_request, cpu_limit) = fit.bounds(
        "cpu",
        [&annotated.cpu_request, &settings.cpu_request],
        [&annotated.cpu_limit, &settings.cpu_limit],
    );
    let (memory_request, memory_limit) = fit.bounds(
        "memory",
        [&annotated.memory_request, &settings.memory_request],
        [&annotated.memory_limit, &settings.memory_limit],
    );
    ResourceRequirements {
        requests: map(cpu_request, memory_request),
        limits: map(cpu_limit, memory_limit),
        ..ResourceRequirements::default()
    }
}

/// What the resources have to fit.
struct Fit<'a> {
    pod: &'a Pod,
    containers: Vec<&'a Container>,
    runs: Runs,
}

impl Fit<'_> {
    /// The request and the limit of one resource. Each comes as the annotation's and the setting's.
    fn bounds(
        &self,
        name: &str,
        [annotated_request, set_request]: [&Option<Quantity>; 2],
        [annotated_limit, set_limit]: [&Option<Quantity>; 2],
    ) -> (Option<Quantity>, Option<Quantity>) {
        let pods_limit = of_pod(self.pod, Bound::Limit, name);
        let limit = annotated_limit.clone().or_else(|| {
            let limit = set_limit.clone().or_else(|| self.common_limit(name));
            at_most(limit, pods_limit)
        });
        let pod_has_own = pods_limit.is_some() || of_pod(self.pod, Bound::Request, name).is_some();
        let request = match annotated_request {
            Some(request) => Some(request.clone()),
            // All requests of containers must fit into the pod's own. A missing one would become the limit.
            None if pod_has_own => Some(Quantity("0".to_owned())),
            None if limit.is_some() && self.is_guaranteed() => limit.clone(),
            None => at_most(set_request.clone(), limit.as_ref()),
        };
        // An annotated request raises a limit that nobody wrote for this pod.
        let limit = match annotated_limit {
            Some(_) => limit,
            None => at_least(limit, request.as_ref()),
        };
        (request, limit)
    }

    /// If every container has a limit, as a ResourceQuota requires: the largest of them, which the pod has room for, or the CPU
    /// that the first container needs. A sidecar gets less.
    fn common_limit(&self, name: &str) -> Option<Quantity> {
        let mut largest: Option<&Quantity> = None;
        for container in &self.containers {
            let limit = of_container(container, Bound::Limit, name)?;
            if largest.is_none_or(|largest| amount(limit) >= amount(largest)) {
                largest = Some(limit);
            }
        }
        match (self.runs, name) {
            (Runs::First, "cpu") => {
                at_least(largest.cloned(), Some(&Quantity(FIRST_CPU.to_owned())))
            }
            (Runs::Beside, "cpu") => {
                at_most(Some(Quantity(SIDECAR_CPU.to_owned())), Some(largest?))
            }
            _ => largest.cloned(),
        }
    }

    /// Source: <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/#guaranteed>.
    fn is_guaranteed(&self) -> bool {
        let mut containers = self.containers.iter();
        !self.containers.is_empty()
            && containers.all(|container| {
                has_equal_bounds(container, "cpu") && has_equal_bounds(container, "memory")
            })
    }
}

/// One of the two bounds of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Request,
    Limit,
}

impl Bound {
    fn get<'a>(self, resources: &'a ResourceRequirements, name: &str) -> Option<&'a Quantity> {
        let bounds = match self {
            Self::Request => &resources.requests,
            Self::Limit => &resources.limits,
        };
        bounds.as_ref()?.get(name)
    }
}

/// What the pod requests or allows for all of its containers together.
///
/// Source: <https://kubernetes.io/docs/tasks/configure-pod-container/assign-pod-level-resources/>.
fn of_pod<'a>(pod: &'a Pod, bound: Bound, name: &str) -> Option<&'a Quantity> {
    bound.get(pod.spec.as_ref()?.resources.as_ref()?, name)
}

fn of_container<'a>(container: &'a Container, bound: Bound, name: &str) -> Option<&'a Quantity> {
    bound.get(container.resources.as_ref()?, name)
}

/// A missing request is taken from the limit.
fn has_equal_bounds(container: &Container, name: &str) -> bool {
    let request = of_container(container, Bound::Request, name);
    of_container(container, Bound::Limit, name)
        .is_some_and(|limit| request.is_none_or(|request| amount(request) == amount(limit)))
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

fn map(cpu: Option<Quantity>, memory: Option<Quantity>) -> Option<BTreeMap<String, Quantity>> {
    let pairs = [("cpu", cpu), ("memory", memory)];
    let map: BTreeMap<_, _> = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    (!map.is_empty()).then_some(map)
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
    fn of(annotated: &Resources, containers: &[Value]) -> Value {
        of_one_that(Runs::First, annotated, containers)
    }

    fn of_one_that(runs: Runs, annotated: &Resources, containers: &[Value]) -> Value {
        let containers: Vec<_> = containers
            .iter()
            .enumerate()
            .map(|(index, resources)| json!({"name": format!("c{index}"), "resources": resources}))
            .collect();
        let pod = serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap();
        json!(super::of(annotated, &settings(), &pod, runs))
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
            (&json!("100m"), &json!("10m"))
        );
    }

    #[test]
    fn a_guaranteed_pod_stays_guaranteed() {
        let resources =
            json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2000m"}});
        let ours = of(&Resources::default(), &[resources]);
        assert_eq!(ours["limits"], json!({"cpu": "2", "memory": "64Mi"}));
        assert_eq!(ours["requests"], ours["limits"]);
        let tiny = json!({"limits": {"cpu": "10m", "memory": "1Gi"}});
        let ours = of(&Resources::default(), std::slice::from_ref(&tiny));
        assert_eq!(ours["limits"], json!({"cpu": "100m", "memory": "64Mi"}));
        assert_eq!(ours["requests"], ours["limits"]);
        let less = Resources {
            cpu_limit: Some(Quantity("20m".to_owned())),
            ..Resources::default()
        };
        let ours = of(&less, &[tiny]);
        assert_eq!(
            (&ours["limits"]["cpu"], &ours["requests"]["cpu"]),
            (&json!("20m"), &json!("20m"))
        );
    }

    #[test]
    fn what_the_pod_has_for_all_of_its_containers_is_enough() {
        let pod = json!({"spec": {
            "resources": {"requests": {"memory": "40Mi"}, "limits": {"memory": "48Mi"}},
            "containers": [{"name": "app", "resources": {"requests": {"memory": "20Mi"}}}],
        }});
        let pod = serde_json::from_value(pod).unwrap();
        let ours = |annotated| json!(super::of(&annotated, &settings(), &pod, Runs::Beside));
        assert_eq!(
            ours(Resources::default()),
            json!({"requests": {"cpu": "10m", "memory": "0"}, "limits": {"memory": "48Mi"}})
        );
        let annotated = Resources {
            memory_request: Some(Quantity("16Mi".to_owned())),
            ..Resources::default()
        };
        assert_eq!(ours(annotated)["requests"]["memory"], "16Mi");
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
}
