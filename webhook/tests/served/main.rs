//! The webhook as the API server sees it: AdmissionReviews over TLS, with certificates that it made itself.
#![allow(clippy::unwrap_used, missing_docs)]

mod api;
mod classes;
mod cost;
mod csi_volumes;
mod health;
mod lanes;
mod life;
mod load;
mod lookups;
mod memory;
mod names;
mod objects;
mod patience;
mod platform;
mod restart;
mod secrets;
mod siege;
mod variables;
mod webhook;

use api::Api;
use axum::http::StatusCode;
use patience::until;
use serde_json::{Value, json};
use webhook::{Webhook, patched, pod};

const OBJECTS: &str = "- {objectName: db, objectType: secretsmanager}";

/// A cluster in which a pod that wants class `db` is admitted.
fn cluster() -> Api {
    let api = Api::new();
    api.add_class("db", "aws", OBJECTS, true);
    let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/web"});
    api.add_service_account("web", &role);
    api.add_node("us-east-2");
    api
}

fn message(response: &Value) -> &str {
    assert_eq!(response["allowed"], false, "{response}");
    response["status"]["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_pod_is_patched_over_tls_that_the_published_bundle_verifies() {
    let webhook = Webhook::start(cluster()).await;
    let pod = pod("db");
    let after = patched(&pod, &webhook.admit(&pod).await);
    let injected = &after["spec"]["initContainers"][0];
    assert_eq!(
        (&injected["name"], &injected["image"]),
        (&json!("aws-secrets-injector"), &json!("injector:1"))
    );
    let region = json!({"name": "AWS_REGION", "value": "us-east-2"});
    assert!(
        injected["env"].as_array().unwrap().contains(&region),
        "the nodes' region: {injected}"
    );
}

#[tokio::test]
async fn once_warm_a_pod_costs_the_api_server_nothing() {
    let webhook = Webhook::start(cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    connection.admit(&pod("db")).await;
    let before = webhook.api.asked();
    for _ in 0..20 {
        patched(&pod("db"), &connection.admit(&pod("db")).await);
    }
    assert_eq!(webhook.api.asked(), before);
}

#[tokio::test]
async fn a_class_of_a_moment_ago_is_found() {
    let webhook = Webhook::start(cluster()).await;
    assert!(
        message(&webhook.admit(&pod("late")).await)
            .contains("\"late\" not found in namespace \"shop\"")
    );
    webhook.api.add_class("late", "aws", OBJECTS, false);
    patched(&pod("late"), &webhook.admit(&pod("late")).await);
}

#[tokio::test]
async fn a_pod_that_wants_nothing_is_left_alone() {
    let webhook = Webhook::start(cluster()).await;
    let response = webhook
        .admit(&json!({"spec": {"containers": [{"name": "web"}]}}))
        .await;
    assert_eq!(
        (&response["allowed"], &response["patch"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn what_is_no_creation_of_a_pod_is_told_nothing() {
    let webhook = Webhook::start(cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    for (operation, sub_resource) in [
        ("UPDATE", None),
        ("DELETE", None),
        ("CREATE", Some("binding")),
    ] {
        for class in ["db", "missing"] {
            let request = json!({
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "subResource": sub_resource,
                "operation": operation,
                "object": pod(class),
            });
            let response = connection.review("/mutate-pods", request).await;
            assert_eq!(
                response,
                json!({"uid": "705ab4f5", "allowed": true, "status": {}}),
                "{operation}"
            );
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_object_and_what_to_do() {
    let api = cluster();
    api.add_class("vault", "vault", OBJECTS, true);
    api.add_class("bad", "aws", "- {objectType: secretsmanager}", true);
    api.add_class("same", "aws", OBJECTS, true);
    api.add_class("hidden", "aws", OBJECTS, false);
    api.fail_class("hidden", StatusCode::FORBIDDEN);
    api.add_service_account("bare", &json!({}));
    let webhook = Webhook::start(api).await;
    let with = |change: fn(&mut Value)| {
        let mut pod = pod("db");
        change(&mut pod);
        pod
    };
    let cases: [(Value, u16, &[&str]); 9] = [
        (
            pod("missing"),
            403,
            &["SecretProviderClass \"missing\" not found in namespace \"shop\": create it there"],
        ),
        (pod("vault"), 403, &["class \"vault\"", "provider \"aws\""]),
        (pod("bad"), 403, &["class \"bad\"", "objects[0].objectName"]),
        (pod("db,same"), 403, &["\"db\"", "\"same\""]),
        (
            pod("DB"),
            403,
            &[
                "annotation aws-secrets-injector.io/secret-provider-class",
                "\"DB\"",
            ],
        ),
        (
            pod("hidden"),
            500,
            &["\"hidden\"", "re-apply this version's manifests"],
        ),
        (
            with(|pod| pod["spec"]["serviceAccountName"] = "bare".into()),
            403,
            &[
                "ServiceAccount \"bare\" in namespace \"shop\"",
                "kubectl annotate serviceaccount -n shop bare eks.amazonaws.com/role-arn=",
            ],
        ),
        (
            with(|pod| pod["spec"]["serviceAccountName"] = Value::Null),
            403,
            &["ServiceAccount \"default\" not found in namespace \"shop\""],
        ),
        (
            with(|pod| pod["spec"]["os"] = json!({"name": "windows"})),
            403,
            &["Windows"],
        ),
    ];
    let mut connection = webhook.connect().await.unwrap();
    for (pod, code, parts) in cases {
        let response = connection.admit(&pod).await;
        let message = message(&response);
        assert!(
            parts.iter().all(|part| message.contains(part)),
            "{parts:?} in {message:?}"
        );
        assert_eq!(response["status"]["code"], code, "{message}");
    }
}

#[tokio::test]
async fn without_the_crd_it_runs_and_says_how_to_install_it() {
    let api = cluster();
    api.remove_crd();
    let webhook = Webhook::start(api).await;
    let response = webhook.admit(&pod("db")).await;
    assert!(
        message(&response).contains("install their CRD"),
        "{response}"
    );
}

#[tokio::test]
async fn without_the_crd_a_pod_can_describe_its_objects() {
    let api = cluster();
    api.remove_crd();
    let webhook = Webhook::start(api).await;
    let mut pod = pod("unused");
    let parameters = "region: eu-central-1\npathTranslation: \"False\"\n";
    pod["metadata"]["annotations"] = json!({
        "aws-secrets-injector.io/objects": OBJECTS,
        "aws-secrets-injector.io/parameters": parameters,
    });
    let after = patched(&pod, &webhook.admit(&pod).await);
    let environment = after["spec"]["initContainers"][0]["env"]
        .as_array()
        .unwrap();
    let snapshot = environment
        .iter()
        .find(|variable| variable["name"] == "SECRET_PROVIDER_CLASSES");
    let snapshot = snapshot.unwrap()["value"].as_str().unwrap();
    let classes: Value = serde_json::from_str(snapshot).unwrap();
    let expected = json!([{
        "name": "annotation objects",
        "mountPath": "/mnt/secrets-store/files",
        "parameters": {"objects": OBJECTS, "pathTranslation": "False", "region": "eu-central-1"},
    }]);
    assert_eq!(classes, expected);
}

/// The message says where the mistake is: in the pod, not in a class. It stands beside a class, whose files it must not overwrite.
#[tokio::test]
async fn mistakes_in_the_objects_of_a_pod_are_refused_with_their_line() {
    let webhook = Webhook::start(cluster()).await;
    let mut pod = pod("db");
    let annotation = "aws-secrets-injector.io/objects";
    for (objects, expected) in [
        (
            "  - objectName: a\n    objectType: secret\n",
            "annotation objects: objects[0] \"a\": objectType (line 2 of objects): ",
        ),
        ("", "annotation objects: objects: is required"),
        (
            "- a: [",
            "annotation objects: objects (line 1 of objects): is not valid YAML",
        ),
        (
            OBJECTS,
            "class \"db\" and annotation objects both write the file \"db\"",
        ),
    ] {
        pod["metadata"]["annotations"][annotation] = objects.into();
        let response = webhook.admit(&pod).await;
        assert!(message(&response).contains(expected), "{response}");
    }
    pod["metadata"]["annotations"][annotation] = format!("# {}", "x".repeat(130_000)).into();
    let response = webhook.admit(&pod).await;
    assert!(message(&response).contains("bytes in total"), "{response}");
}

/// YAML becomes many times as large when it is read.
#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_read() {
    let webhook = Webhook::start(cluster()).await;
    let mut pod = pod("db");
    for annotation in ["parameters", "objects", "env", "containers"] {
        let name = format!("aws-secrets-injector.io/{annotation}");
        let before = pod["metadata"]["annotations"].clone();
        pod["metadata"]["annotations"][&name] = "[".repeat(3_800_000).into();
        let response = webhook.admit(&pod).await;
        assert_eq!(
            message(&response),
            format!(
                "annotation {name}: has 3800000 bytes, but can have at most 130048: shorten it"
            )
        );
        pod["metadata"]["annotations"] = before;
    }
}

#[tokio::test]
async fn nodes_of_several_regions_give_none_and_the_refusal_says_what_to_set() {
    let api = cluster();
    api.add_node("us-west-2");
    let webhook = Webhook::start(api).await;
    let response = webhook.admit(&pod("db")).await;
    assert!(message(&response).contains("region"), "{response}");
}

#[tokio::test]
async fn a_pod_waits_while_an_api_server_that_just_started_cannot_list_nodes() {
    let api = cluster();
    api.allow_nodes(false);
    let webhook = Webhook::start(api).await;
    let mut connection = webhook.connect().await.unwrap();
    let review = tokio::spawn(async move { connection.admit(&pod("db")).await });
    let list = "GET /api/v1/nodes".to_owned();
    until("nodes are listed", async || {
        webhook.api.asked().contains(&list)
    })
    .await;
    webhook.api.allow_nodes(true);
    patched(&pod("db"), &review.await.unwrap());
    // What was found stays.
    webhook.api.allow_nodes(false);
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
}

#[tokio::test]
async fn an_unknown_annotation_is_a_warning() {
    let webhook = Webhook::start(cluster()).await;
    let mut pod = pod("db");
    pod["metadata"]["annotations"]["aws-secrets-injector.io/mountpath"] = "/x".into();
    let response = webhook.admit(&pod).await;
    assert!(
        response["warnings"][0]
            .as_str()
            .unwrap()
            .contains("did you mean aws-secrets-injector.io/mount-path?")
    );
    patched(&pod, &response);
}

#[tokio::test]
async fn what_is_no_review_gets_an_answer_and_the_connection_lives() {
    let webhook = Webhook::start(cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    for body in [
        "",
        "{}",
        "[]",
        "\u{0}",
        "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\"}",
    ] {
        assert_eq!(
            connection.post("/mutate-pods", body).await.0,
            StatusCode::BAD_REQUEST,
            "{body:?}"
        );
    }
    assert_eq!(
        connection.post("/other", "{}").await.0,
        StatusCode::NOT_FOUND
    );
    patched(&pod("db"), &connection.admit(&pod("db")).await);
    let mut connection = webhook.connect().await.unwrap();
    let huge = " ".repeat(5 * 1024 * 1024);
    assert_eq!(
        connection.post("/mutate-pods", huge).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn replicas_share_one_authority() {
    let api = cluster();
    let (one, other) = tokio::join!(Webhook::start(api.clone()), Webhook::start(api.clone()));
    one.admit(&pod("db")).await;
    other.admit(&pod("db")).await;
    let asked = api_server::ApiServer::asked(&api);
    let changes = |asked: &&String| asked.starts_with("PUT ") && asked.contains("/secrets/");
    assert_eq!(asked.iter().find(changes), None, "only created");
}

#[tokio::test]
async fn a_spoilt_secret_is_put_back_while_connections_go_on() {
    let webhook = Webhook::start(cluster()).await;
    let (secret, bundle) = (webhook.api.secret(), webhook.api.ca_bundle());
    let mut open = webhook.connect().await.unwrap();
    webhook.api.spoil_secret("signing.pem").await;
    until("the Secret is written back", async || {
        webhook.api.secret()["data"] == secret["data"]
    })
    .await;
    assert_eq!(webhook.api.ca_bundle(), bundle);
    patched(&pod("db"), &open.admit(&pod("db")).await);
    webhook.admit(&pod("db")).await;
}

/// A pod whose files are refreshed.
fn refreshed() -> Value {
    let mut pod = pod("db");
    pod["metadata"]["annotations"]["aws-secrets-injector.io/refresh-interval"] = "5m".into();
    pod
}

#[tokio::test]
async fn a_refresh_interval_adds_a_native_sidecar() {
    let webhook = Webhook::start(cluster()).await;
    let after = patched(&refreshed(), &webhook.admit(&refreshed()).await);
    let sidecar = &after["spec"]["initContainers"][1];
    assert_eq!(sidecar["name"], "aws-secrets-refresher");
    assert_eq!(sidecar["restartPolicy"], "Always");
}
