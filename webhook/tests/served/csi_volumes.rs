//! Pods with volumes of the Secrets Store CSI Driver.

use serde_json::{Value, json};

use crate::webhook::{Webhook, patched};
use crate::{OBJECTS, cluster, message};

const MODE: &str = "aws-secrets-injector.io/csi-volumes";

fn volume(class: &str) -> Value {
    json!({"name": "secrets", "csi": {
        "driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": class},
    }})
}

/// A pod as users of the driver have it.
fn pod(volumes: &[Value]) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "serviceAccountName": "web",
            "containers": [{"name": "web", "image": "web", "volumeMounts": [{"name": "secrets", "mountPath": "/secrets"}]}],
            "volumes": volumes,
        },
    })
}

#[tokio::test]
async fn the_driver_keeps_its_volumes_unless_the_cluster_or_the_pod_says_otherwise() {
    for (cluster_wide, of_pod, is_replaced) in [
        (&[][..], None, false),
        (&[], Some("replace"), true),
        (&["--csi-volumes", "replace"], None, true),
        (&["--csi-volumes", "replace"], Some("ignore"), false),
    ] {
        let webhook = Webhook::start_saying(cluster(), cluster_wide).await;
        let mut pod = pod(&[volume("db")]);
        if let Some(mode) = of_pod {
            pod["metadata"]["annotations"] = json!({MODE: mode});
        }
        let response = webhook.admit(&pod).await;
        assert_eq!(response["allowed"], true, "{response}");
        assert_eq!(response["patch"].is_string(), is_replaced, "{response}");
        if is_replaced {
            let after = patched(&pod, &response);
            assert_eq!(after["spec"]["volumes"][0]["emptyDir"]["medium"], "Memory");
            assert_eq!(
                after["spec"]["containers"][0]["volumeMounts"],
                json!([{"name": "secrets", "mountPath": "/secrets", "readOnly": true, "subPath": "files"}])
            );
            let again = webhook.admit(&after).await;
            assert_eq!(again["patch"], Value::Null, "{again}");
        }
    }
}

#[tokio::test]
async fn a_volume_of_another_provider_is_the_drivers_also_beside_one_of_ours() {
    let api = cluster();
    api.add_class("keys", "azure", "array: []", true);
    let webhook = Webhook::start_saying(api, &["--csi-volumes", "replace"]).await;
    let response = webhook.admit(&pod(&[volume("keys")])).await;
    assert_eq!(
        (
            &response["allowed"],
            &response["patch"],
            &response["warnings"]
        ),
        (&json!(true), &Value::Null, &Value::Null)
    );
    let mut other = volume("keys");
    other["name"] = "keys".into();
    let both = pod(&[other.clone(), volume("db")]);
    let after = patched(&both, &webhook.admit(&both).await);
    assert_eq!(after["spec"]["volumes"][0], other);
    assert_eq!(
        after["metadata"]["annotations"]["aws-secrets-injector.io/replaced-volumes"],
        "secrets=db"
    );
}

#[tokio::test]
async fn a_volume_that_cannot_be_replaced_is_named() {
    let api = cluster();
    api.add_class("bad", "aws", "- {objectType: secretsmanager}", true);
    api.add_service_account("bare", &json!({}));
    let webhook = Webhook::start_saying(api, &["--csi-volumes", "replace"]).await;
    let with = |path: &str, value: Value| {
        let mut pod = pod(&[volume("db")]);
        *pod.pointer_mut(path).unwrap() = value;
        pod
    };
    let attributes = "/spec/volumes/0/csi/volumeAttributes";
    for (pod, words) in [
        (
            pod(&[volume("missing")]),
            "volume \"secrets\": SecretProviderClass \"missing\" not found",
        ),
        (
            pod(&[volume("bad")]),
            "volume \"secrets\": class \"bad\": objects[0].objectName",
        ),
        (
            with("/spec/serviceAccountName", json!("bare")),
            "volume \"secrets\": ServiceAccount \"bare\"",
        ),
        (
            with(attributes, json!({"class": "db"})),
            "volume \"secrets\" of the Secrets Store CSI Driver: volumeAttributes.secretProviderClass is required",
        ),
        (
            with(attributes, json!({"secretProviderClass": "a/b"})),
            "volumeAttributes.secretProviderClass: ",
        ),
        (
            with("/metadata", json!({"annotations": {MODE: "yes"}})),
            "annotation aws-secrets-injector.io/csi-volumes: \"yes\" is neither \"ignore\" nor \"replace\"",
        ),
        (
            with(
                "/spec/containers/0/volumeMounts/0",
                json!({"name": "secrets", "mountPath": "/a", "subPath": "x"}),
            ),
            "container \"web\" mounts \"x\" of the volume \"secrets\", but no class of the pod always creates that file",
        ),
        (
            with(
                "/spec/containers/0/volumeMounts/0",
                json!({"name": "secrets", "mountPath": "/a", "subPathExpr": "$(A)"}),
            ),
            "by subPathExpr",
        ),
    ] {
        let response = webhook.admit(&pod).await;
        let message = message(&response);
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn what_has_no_effect_in_a_volume_is_told() {
    let webhook = Webhook::start_saying(cluster(), &["--csi-volumes", "replace"]).await;
    let mut volume = volume("db");
    volume["csi"]["nodePublishSecretRef"] = json!({"name": "credentials"});
    let mut pod = pod(&[volume]);
    pod["spec"]["containers"][0]["volumeMounts"][0]["mountPropagation"] = "HostToContainer".into();
    let response = webhook.admit(&pod).await;
    patched(&pod, &response);
    let warnings = response["warnings"].to_string();
    for words in [
        "nodePublishSecretRef has no effect",
        "mountPropagation of the volume",
    ] {
        assert!(warnings.contains(words), "{warnings}");
    }
}

/// The marks of an earlier pass give a pod nothing that its classes do not give it.
#[tokio::test]
async fn a_forged_mark_replaces_no_other_volume() {
    let webhook = Webhook::start_saying(cluster(), &["--csi-volumes", "replace"]).await;
    let claim = json!({"name": "secrets", "persistentVolumeClaim": {"claimName": "data"}});
    let mut pod = pod(&[claim]);
    let mark = "aws-secrets-injector.io/replaced-volumes";
    pod["metadata"]["annotations"] = json!({mark: "secrets=db"});
    let after = patched(&pod, &webhook.admit(&pod).await);
    assert_eq!(after["metadata"]["annotations"], json!({}));
    assert_eq!(after["spec"], pod["spec"]);
    pod["metadata"]["annotations"]["aws-secrets-injector.io/secret-provider-class"] = "db".into();
    let after = patched(&pod, &webhook.admit(&pod).await);
    assert_eq!(after["spec"]["volumes"][0], pod["spec"]["volumes"][0]);
    assert_eq!(after["metadata"]["annotations"][mark], Value::Null);
}

#[tokio::test]
async fn attributes_of_a_volume_go_before_the_parameters_of_its_class() {
    let webhook = Webhook::start_saying(cluster(), &["--csi-volumes", "replace"]).await;
    let mut volume = volume("db");
    let attributes = &mut volume["csi"]["volumeAttributes"];
    attributes["region"] = "us-west-2".into();
    attributes["csi.storage.k8s.io/ephemeral"] = "true".into();
    let pod = pod(&[volume]);
    let after = patched(&pod, &webhook.admit(&pod).await);
    let snapshot = after["spec"]["initContainers"][0]["env"][0]["value"].to_string();
    assert!(
        snapshot.contains("us-west-2") && !snapshot.contains("ephemeral"),
        "{snapshot}"
    );
    let again = webhook.admit(&after).await;
    assert_eq!(again["patch"], Value::Null, "{again}");
    let mut bad = pod.clone();
    bad["spec"]["volumes"][0]["csi"]["volumeAttributes"]["region"] = "US West".into();
    let response = webhook.admit(&bad).await;
    let message = message(&response);
    assert!(
        message.contains("volume \"secrets\": class \"db\": region: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_pod_has_as_many_such_volumes_as_classes_and_each_is_looked_at_once() {
    let webhook = Webhook::start_saying(cluster(), &["--csi-volumes", "replace"]).await;
    let many = |count: usize| {
        let volumes = (0..count).map(|number| {
            let mut volume = volume("db");
            volume["name"] = format!("v{number}").into();
            volume["csi"]["volumeAttributes"]["region"] = "us-west-2".into();
            volume
        });
        pod(&volumes.collect::<Vec<_>>())
    };
    let mut fits = many(64);
    fits["spec"]["containers"][0]["volumeMounts"] = json!([]);
    patched(&fits, &webhook.admit(&fits).await);
    let response = webhook.admit(&many(65)).await;
    let message = message(&response);
    assert!(
        message.contains(
            "65 volumes of the Secrets Store CSI Driver, but a pod with secrets can have at most 64"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn where_only_classes_count_a_volume_changes_none() {
    let args = ["--csi-volumes", "replace", "--allow-objects", "false"];
    let webhook = Webhook::start_saying(cluster(), &args).await;
    let mut volume = volume("db");
    patched(
        &pod(&[volume.clone()]),
        &webhook.admit(&pod(&[volume.clone()])).await,
    );
    volume["csi"]["volumeAttributes"]["objects"] = OBJECTS.into();
    let response = webhook.admit(&pod(&[volume])).await;
    let message = message(&response);
    assert!(
        message.contains("volumeAttributes.objects is not allowed in this cluster"),
        "{message}"
    );
}

#[tokio::test]
async fn a_volume_that_no_container_could_mount_is_refused() {
    let webhook = Webhook::start_saying(cluster(), &["--csi-volumes", "replace"]).await;
    let mut inner = volume("db");
    inner["name"] = "inner".into();
    let mut pod = pod(&[volume("db"), inner]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "secrets", "mountPath": "/secrets"}, {"name": "inner", "mountPath": "/secrets/inner"},
    ]);
    let response = webhook.admit(&pod).await;
    let message = message(&response);
    assert!(
        message.contains("mounts the volume \"inner\" at /secrets/inner, inside"),
        "{message}"
    );
}

#[tokio::test]
async fn variables_of_the_annotation_are_for_containers_with_the_files() {
    let webhook = Webhook::start_saying(cluster(), &["--csi-volumes", "replace"]).await;
    let mut pod = pod(&[volume("db")]);
    pod["metadata"]["annotations"] = json!({
        "aws-secrets-injector.io/env": "DB=db", "aws-secrets-injector.io/env-method": "exec",
    });
    pod["spec"]["containers"][0]["command"] = json!(["web"]);
    let log = json!({"name": "log", "image": "log"});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(log.clone());
    let after = patched(&pod, &webhook.admit(&pod).await);
    assert_eq!(
        after["spec"]["containers"][0]["command"]
            .as_array()
            .unwrap()
            .last()
            .unwrap(),
        "web"
    );
    assert_ne!(after["spec"]["containers"][0]["command"][0], "web");
    assert_eq!(after["spec"]["containers"][1], log);
}

#[tokio::test]
async fn a_windows_pod_of_another_provider_is_left_alone() {
    let api = cluster();
    api.add_class("keys", "azure", "array: []", true);
    let webhook = Webhook::start_saying(api, &["--csi-volumes", "replace"]).await;
    let mut windows = pod(&[volume("keys")]);
    windows["spec"]["os"] = json!({"name": "windows"});
    assert_eq!(webhook.admit(&windows).await["patch"], Value::Null);
    windows["spec"]["volumes"] = json!([volume("db")]);
    let response = webhook.admit(&windows).await;
    assert!(message(&response).contains("csi-volumes: ignore"));
}
