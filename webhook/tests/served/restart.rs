//! `on-refresh: restart`: which clusters can have it.

use serde_json::{Value, json};

use crate::api::Api;
use crate::webhook::{Webhook, patched, pod};
use crate::{cluster, message};

/// A pod that does this when its secrets change.
fn refreshed(on_refresh: &str) -> Value {
    let mut pod = pod("db");
    pod["metadata"]["annotations"]["aws-secrets-injector.io/refresh-interval"] = "1h".into();
    pod["metadata"]["annotations"]["aws-secrets-injector.io/on-refresh"] = on_refresh.into();
    pod
}

fn cluster_of(version: &str) -> Api {
    let api = cluster();
    api.set_version(version);
    api
}

#[tokio::test]
async fn the_sidecar_of_a_new_cluster_has_the_rule_that_restarts_all_containers() {
    let webhook = Webhook::start(cluster_of("36")).await;
    for (on_refresh, rules) in [
        (
            "restart",
            json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [85]}}]),
        ),
        ("http:POST:80/", Value::Null),
    ] {
        let pod = refreshed(on_refresh);
        let after = patched(&pod, &webhook.admit(&pod).await);
        let sidecar = &after["spec"]["initContainers"][1];
        assert_eq!(sidecar["name"], "aws-secrets-refresher");
        assert_eq!(sidecar["restartPolicyRules"], rules, "{on_refresh}");
    }
}

#[tokio::test]
async fn an_old_api_server_is_named_with_the_gentle_way() {
    let webhook = Webhook::start(cluster_of("35+")).await;
    let response = webhook.admit(&refreshed("restart")).await;
    assert_eq!(
        message(&response),
        "annotation aws-secrets-injector.io/on-refresh: this cluster is Kubernetes 1.35+, but on-refresh restart needs 1.36 or later: upgrade the cluster, or set aws-secrets-injector.io/on-refresh: signal:SIGTERM:CONTAINER"
    );
    assert_eq!(response["status"]["code"], 403);
}

/// A node of 1.35 has env files: the same list of nodes is old for one pod and new for the other.
#[tokio::test]
async fn an_old_node_is_named_with_the_gentle_way() {
    let api = cluster_of("36");
    api.add_kubelet("new", "v1.36.0");
    api.add_kubelet("old", "v1.35.4-eks-113cf36");
    let webhook = Webhook::start(api).await;
    let mut variables = pod("db");
    variables["metadata"]["annotations"]["aws-secrets-injector.io/env"] = "DB=db".into();
    patched(&variables, &webhook.admit(&variables).await);
    let response = webhook.admit(&refreshed("restart")).await;
    assert_eq!(
        message(&response),
        "annotation aws-secrets-injector.io/on-refresh: the kubelet of node \"old\" has version \"v1.35.4-eks-113cf36\", but on-refresh restart needs v1.36 or later on every node: upgrade the node, delete its Node object if it is gone, or set aws-secrets-injector.io/on-refresh: signal:SIGTERM:CONTAINER"
    );
    patched(&variables, &webhook.admit(&variables).await);
    let other = refreshed("http:POST:80/");
    patched(&other, &webhook.admit(&other).await);
}
