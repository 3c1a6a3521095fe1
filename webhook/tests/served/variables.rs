//! Environment variables: which clusters can have them by which method.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::api::Api;
use crate::webhook::{Webhook, patched, pod};
use crate::{OBJECTS, cluster, message};

/// A pod whose container gets a variable.
fn requesting(method: &str) -> Value {
    let mut pod = pod("db");
    pod["metadata"]["annotations"]["aws-secrets-injector.io/env"] = "DB=db".into();
    pod["metadata"]["annotations"]["aws-secrets-injector.io/env-method"] = method.into();
    pod["spec"]["containers"][0]["command"] = json!(["web"]);
    pod
}

/// A cluster that has env files.
fn new_cluster() -> Api {
    let api = cluster();
    api.set_version("36");
    api
}

/// How often the nodes were listed for their versions or their region.
fn lists_of_nodes(webhook: &Webhook) -> usize {
    let asked = webhook.api.asked();
    asked
        .iter()
        .filter(|asked| asked.ends_with("/nodes"))
        .count()
}

#[tokio::test]
async fn a_new_cluster_has_variables_by_both_methods() {
    let webhook = Webhook::start(new_cluster()).await;
    for method in ["kubelet", "exec"] {
        let pod = requesting(method);
        let after = patched(&pod, &webhook.admit(&pod).await);
        let web = &after["spec"]["containers"][0];
        let source = &web["env"][0]["valueFrom"]["fileKeyRef"];
        assert_eq!(source["key"] == "DB", method == "kubelet", "{web}");
        assert_eq!(
            web["command"][0] == "/var/lib/aws-secrets-injector-bin/aws-secrets-exec",
            method == "exec",
            "{web}"
        );
    }
}

#[tokio::test]
async fn an_old_api_server_is_named_and_the_other_method_works() {
    let api = new_cluster();
    api.set_version("34+");
    let webhook = Webhook::start(api).await;
    let response = webhook.admit(&requesting("kubelet")).await;
    let message = message(&response);
    assert!(
        message.contains("this cluster is Kubernetes 1.34+, but env-method kubelet needs 1.35")
            && message.contains("env-method: exec"),
        "{message}"
    );
    patched(
        &requesting("exec"),
        &webhook.admit(&requesting("exec")).await,
    );
}

#[tokio::test]
async fn the_oldest_node_is_named_though_it_is_on_the_last_page() {
    let api = new_cluster();
    for number in 0..1200 {
        api.add_kubelet(&format!("new-{number}"), "v1.35.2");
    }
    api.add_kubelet("old", "v1.34.9-eks-113cf36");
    let webhook = Webhook::start(api).await;
    let response = webhook.admit(&requesting("kubelet")).await;
    let message = message(&response);
    assert!(
        message.contains("node \"old\" has version \"v1.34.9-eks-113cf36\""),
        "{message}"
    );
    patched(
        &requesting("exec"),
        &webhook.admit(&requesting("exec")).await,
    );
}

#[tokio::test]
async fn without_nodes_the_api_servers_version_decides() {
    let api = Api::new();
    api.add_class("db", "aws", OBJECTS, true);
    api.set_version("35");
    let webhook = Webhook::start(api).await;
    let response = webhook.admit(&requesting("kubelet")).await;
    // It got past the versions: no node says the region.
    assert!(message(&response).contains("region"), "{response}");
}

#[tokio::test]
async fn the_nodes_are_listed_once_for_many_pods() {
    let webhook = Webhook::start(new_cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    let pod = requesting("kubelet");
    patched(&pod, &connection.admit(&pod).await);
    let before = lists_of_nodes(&webhook);
    // A failure changes nothing while the answer is kept.
    webhook.api.fail_nodes(StatusCode::FORBIDDEN);
    for _ in 0..5 {
        patched(&pod, &connection.admit(&pod).await);
    }
    assert_eq!(lists_of_nodes(&webhook), before);
}

#[tokio::test]
async fn nodes_that_cannot_be_listed_refuse_the_pod_as_any_failed_lookup() {
    let api = new_cluster();
    api.fail_nodes(StatusCode::FORBIDDEN);
    let webhook = Webhook::start(api).await;
    let response = webhook.admit(&requesting("kubelet")).await;
    let message = message(&response);
    assert!(
        message.contains(
            "could not read the nodes' versions: nodes is forbidden: User cannot do this; re-apply"
        ),
        "{message}"
    );
    assert_eq!(response["status"]["code"], 500);
}
