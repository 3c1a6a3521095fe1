//! References to Kubernetes Secrets of the classes: the method that serves them depends on the cluster.

use serde_json::{Value, json};

use crate::api::{Api, class};
use crate::webhook::{Webhook, patched, pod};
use crate::{OBJECTS, cluster, message};

/// A cluster of this version whose class `synced` describes the Secret `credentials`.
fn cluster_of(minor: &str) -> Api {
    let api = cluster();
    api.set_version(minor);
    let mut class = class("synced", "aws", OBJECTS);
    class["spec"]["secretObjects"] = json!([{
        "secretName": "credentials", "type": "Opaque", "data": [{"objectName": "db", "key": "password"}],
    }]);
    api.put_class("synced", class);
    api
}

/// A pod whose container has a command and refers to a Secret.
fn referring(secret: &str) -> Value {
    let mut pod = pod("synced");
    let web = &mut pod["spec"]["containers"][0];
    web["command"] = json!(["web"]);
    web["env"] = json!([
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}},
    ]);
    pod
}

#[tokio::test]
async fn the_kubelet_serves_references_on_new_clusters_and_exec_on_old_ones() {
    for (minor, is_new) in [("36", true), ("34", false)] {
        let webhook = Webhook::start(cluster_of(minor)).await;
        let pod = referring("credentials");
        let after = patched(&pod, &webhook.admit(&pod).await);
        let web = &after["spec"]["containers"][0];
        let key = &web["env"][0]["valueFrom"]["fileKeyRef"]["key"];
        assert_eq!(
            key == "aws-secrets-injector.credentials_password",
            is_new,
            "{web}"
        );
        assert_eq!(web["command"][1] == "exec", !is_new, "{web}");
    }
}

#[tokio::test]
async fn an_old_cluster_and_no_command_leave_the_reference_with_a_warning() {
    let webhook = Webhook::start(cluster_of("34")).await;
    let mut pod = referring("credentials");
    pod["spec"]["containers"][0]["command"] = Value::Null;
    let response = webhook.admit(&pod).await;
    let after = patched(&pod, &response);
    let web = &after["spec"]["containers"][0];
    assert_eq!(web["env"], pod["spec"]["containers"][0]["env"]);
    let warnings = response["warnings"].to_string();
    assert!(
        warnings.contains("refers to the Secret \\\"credentials\\\"")
            && warnings.contains("needs Kubernetes 1.35 or later on every node"),
        "{warnings}"
    );
}

#[tokio::test]
async fn a_method_that_is_asked_for_and_missing_refuses_the_pod() {
    let webhook = Webhook::start(cluster_of("34")).await;
    let mut pod = referring("credentials");
    pod["metadata"]["annotations"]["aws-secrets-injector.io/env-method"] = "kubelet".into();
    let response = webhook.admit(&pod).await;
    let message = message(&response);
    assert!(
        message.contains("this cluster is Kubernetes 1.34, but env-method kubelet needs 1.35"),
        "{message}"
    );
}

#[tokio::test]
async fn the_nodes_are_not_asked_for_other_secrets() {
    let webhook = Webhook::start(cluster_of("36")).await;
    let pod = referring("other");
    patched(&pod, &webhook.admit(&pod).await);
    let asked = webhook.api.asked();
    assert!(!asked.contains(&"GET /version".to_owned()), "{asked:?}");
}
