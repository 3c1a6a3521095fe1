//! `on-refresh: restart`: a change of a pod's secrets restarts its containers in place.

use serde_json::{Value, json};

use crate::variables::{METHODS, has_printed, own, restarting, set};
use crate::world::{Namespace, World};

/// What makes a pod the same pod: its UID, IP and node.
fn identity(pod: &Value) -> [Value; 3] {
    [
        pod["metadata"]["uid"].clone(),
        pod["status"]["podIP"].clone(),
        pod["spec"]["nodeName"].clone(),
    ]
}

/// How often the containers were started again: the one that fetches, and the app.
fn restarts(pod: &Value) -> [Value; 2] {
    let status = &pod["status"];
    [
        status["initContainerStatuses"][0]["restartCount"].clone(),
        status["containerStatuses"][0]["restartCount"].clone(),
    ]
}

/// Waits until the sidecars of the namespace have refreshed a few times more.
fn refreshes(namespace: &Namespace<'_>) {
    let described = || {
        let calls = namespace.calls().into_iter();
        calls
            .filter(|call| call.operation == "DescribeSecret")
            .count()
    };
    let goal = described() + 8;
    namespace
        .world
        .kubectl
        .wait_until("a few more refreshes", || Ok(described() >= goal))
        .unwrap();
}

pub(crate) fn in_place(world: &World) {
    let namespace = own(world, "restarted-in-place", &[("password", "first")]);
    let other = own(world, "restarted-other", &[("password", "first")]);
    other.apply(&[&restarting("kubelet").to_string()]).unwrap();
    has_printed(&other, "kubelet", "app", "first first\n");
    for method in METHODS {
        namespace.apply(&[&restarting(method).to_string()]).unwrap();
        has_printed(&namespace, method, "app", "first first\n");
    }
    refreshes(&namespace);
    let before = METHODS.map(|method| namespace.get(&["pod", method]));
    set(&namespace, "password", "second");
    for (method, before) in METHODS.iter().zip(before) {
        assert_eq!(restarts(&before), [json!(0), json!(0)], "{before:#}");
        has_printed(&namespace, method, "app", "second second\n");
        // It would restart again and again if a refresh took the fetched files for changed ones.
        refreshes(&namespace);
        let after = namespace.get(&["pod", method]);
        assert_eq!(identity(&after), identity(&before));
        assert_eq!(restarts(&after), [json!(1), json!(1)], "{after:#}");
    }
    let untouched = other.get(&["pod", "kubelet"]);
    assert_eq!(restarts(&untouched), [json!(0), json!(0)], "{untouched:#}");
}
