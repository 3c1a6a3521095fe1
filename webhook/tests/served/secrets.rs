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
    class["metadata"]["resourceVersion"] = "4711".into();
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
        assert_eq!(
            web["command"][0] == "/var/lib/aws-secrets-injector-bin/aws-secrets-exec",
            !is_new,
            "{web}"
        );
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

/// A pod that applies the Secret of its class.
fn syncing() -> Value {
    let mut pod = referring("credentials");
    pod["metadata"]["annotations"]["aws-secrets-injector.io/secret-objects"] = "sync".into();
    pod
}

#[tokio::test]
async fn a_pod_with_the_right_applies_its_secret_and_its_references_stay() {
    let api = cluster_of("36");
    api.allow_secret("credentials");
    let webhook = Webhook::start_syncing(api).await;
    let mut pod = syncing();
    pod["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u-1", "controller": true},
    ]);
    let after = patched(&pod, &webhook.admit(&pod).await);
    let web = &after["spec"]["containers"][0];
    assert_eq!(web["env"], pod["spec"]["containers"][0]["env"]);
    let fetcher = &after["spec"]["initContainers"][0];
    let value = |name: &str| {
        let mut variables = fetcher["env"].as_array().unwrap().iter();
        let variable = variables.find(|variable| variable["name"] == name).unwrap();
        variable["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        value("SECRET_SYNC"),
        r#"{"directory":"/var/run/secrets/aws-secrets-injector/kubernetes","owner":{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"u-1"},"versions":{"synced":4711}}"#
    );
    // Without these, a Service of the pod's namespace could change them.
    assert_eq!(value("KUBERNETES_SERVICE_HOST"), "10.96.0.1");
    assert_eq!(value("KUBERNETES_SERVICE_PORT"), "443");
    let classes: Value = serde_json::from_str(&value("SECRET_PROVIDER_CLASSES")).unwrap();
    assert_eq!(classes[0]["secretObjects"][0]["secretName"], "credentials");
    let volumes = after["spec"]["volumes"].as_array().unwrap();
    let tokens = volumes
        .iter()
        .find(|volume| volume["name"] == "aws-secrets-injector-token");
    let sources = tokens.unwrap()["projected"]["sources"].as_array().unwrap();
    let api_token =
        json!({"serviceAccountToken": {"expirationSeconds": 600, "path": "kubernetes/token"}});
    let certificates = json!({"configMap": {
        "name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "kubernetes/ca.crt"}],
    }});
    assert_eq!(sources[sources.len() - 2..], [api_token, certificates]);
    let again = webhook.admit(&after).await;
    assert_eq!(again["patch"], Value::Null, "a second pass");
}

#[tokio::test]
async fn a_pod_without_controller_is_the_owner_itself() {
    let api = cluster_of("36");
    api.allow_secret("credentials");
    let webhook = Webhook::start_syncing(api).await;
    let pod = syncing();
    let after = patched(&pod, &webhook.admit(&pod).await);
    let environment = after["spec"]["initContainers"][0]["env"].to_string();
    assert!(
        environment.contains("POD_UID") && environment.contains("metadata.uid"),
        "{environment}"
    );
}

#[tokio::test]
async fn a_missing_right_is_refused_with_the_command_that_grants_it() {
    let webhook = Webhook::start_syncing(cluster_of("36")).await;
    let response = webhook.admit(&syncing()).await;
    assert_eq!(
        message(&response),
        "annotation aws-secrets-injector.io/secret-objects: ServiceAccount \"web\" in namespace \"shop\" may not create and patch the Secret \"credentials\": kubectl get secretproviderclass -n shop synced -o yaml | aws-secrets-injector check --rbac --service-account web - | kubectl apply -f -"
    );
}

#[tokio::test]
async fn sync_is_refused_where_the_platform_does_not_allow_it() {
    let webhook = Webhook::start(cluster_of("36")).await;
    let response = webhook.admit(&syncing()).await;
    let message = message(&response);
    assert!(
        message.contains("sync is not allowed in this cluster: use env, or set the chart's value secretObjects.sync"),
        "{message}"
    );
    let mut without = syncing();
    without["metadata"]["annotations"]["aws-secrets-injector.io/secret-provider-class"] =
        "db".into();
    let response = webhook.admit(&without).await;
    patched(&without, &response);
    let warnings = response["warnings"].to_string();
    assert!(
        warnings.contains("no class of the pod has secretObjects"),
        "{warnings}"
    );
}
