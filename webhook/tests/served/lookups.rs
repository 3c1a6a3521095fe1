//! Reviews that wait for the API server.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::{Api, class};
use crate::patience::in_time;
use crate::webhook::{Webhook, patched, pod, pod_request};
use crate::{OBJECTS, cluster, message};

/// An API server that knows the class `slow` and does not answer when it is asked for it.
fn cluster_with_slow_class() -> Api {
    let api = cluster();
    api.add_class("slow", "aws", OBJECTS, false);
    api.close_gate();
    api
}

/// As large as a usual pod may be.
fn large(classes: &str) -> Value {
    let mut pod = pod(classes);
    pod["spec"]["volumes"] = vec![json!({"name": "v"}); 450].into();
    pod
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_is_said_in_time() {
    let webhook = Webhook::start(cluster_with_slow_class()).await;
    let response = webhook.admit(&pod("slow")).await;
    let message = message(&response);
    assert!(
        message.contains("could not read SecretProviderClass \"slow\" in namespace \"shop\"")
            && message.contains("it took longer than 2 s"),
        "{message}"
    );
    assert_eq!(response["status"]["code"], 500);
}

#[tokio::test]
async fn reviews_that_wait_hold_up_no_other() {
    let webhook = Webhook::start(cluster_with_slow_class()).await;
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
    let mut waiting = JoinSet::new();
    for _ in 0..40 {
        let mut connection = webhook.connect().await.unwrap();
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request(),
        });
        waiting.spawn(async move { connection.post("/mutate-pods", review.to_string()).await });
    }
    webhook.api.class_is_asked_for("slow").await;
    // Among the waiting ones, and while none of them has its answer from the API server.
    for _ in 0..5 {
        patched(&large("db"), &webhook.admit(&large("db")).await);
    }
    let mut given_up = 0;
    while let Some(answer) = in_time("all are answered", waiting.join_next()).await {
        let (status, body) = answer.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            assert!(body.contains("too many reviews wait"), "{body}");
            given_up += 1;
        } else {
            assert!(body.contains("it took longer than 2 s"), "{body}");
        }
    }
    assert!(given_up > 0, "some had no room to wait");
}

/// A review of a large pod of class `slow`.
fn request() -> Value {
    let mut request = pod_request(&large("slow"));
    request["uid"] = "1".into();
    request["userInfo"] = json!({});
    request["namespace"] = "shop".into();
    request
}

#[tokio::test]
async fn what_a_service_account_may_do_is_asked_a_few_times_at_once_and_remembered() {
    let api = cluster();
    let mut many = class("many", "aws", OBJECTS);
    let secrets = (0..60).map(|number| {
        api.allow_secret(&format!("s{number}"));
        json!({"secretName": format!("s{number}"), "type": "Opaque", "data": [{"objectName": "db", "key": "a"}]})
    });
    many["spec"]["secretObjects"] = secrets.collect();
    api.put_class("many", many);
    let webhook = Webhook::start_syncing(api).await;
    let mut syncing = pod("many");
    syncing["metadata"]["annotations"]["aws-secrets-injector.io/secret-objects"] = "sync".into();
    patched(&syncing, &webhook.admit(&syncing).await);
    let reviews = || {
        let asked = webhook.api.asked();
        let reviews = asked.iter().filter(|asked| asked.starts_with("POST "));
        reviews.count()
    };
    assert_eq!(reviews(), 120);
    patched(&syncing, &webhook.admit(&syncing).await);
    // The machine may have taken longer than they are remembered, but not for each.
    assert!(reviews() < 240);

    let api = webhook.api.clone();
    let mut others = JoinSet::new();
    for number in 0..10 {
        let mut connection = webhook.connect().await.unwrap();
        let mut request = pod_request(&syncing);
        // Of a ServiceAccount that may not, and that nobody has asked about.
        request["object"]["spec"]["serviceAccountName"] = format!("web-{number}").into();
        others.spawn(async move { connection.review("/mutate-pods", request).await });
    }
    while let Some(refused) = others.join_next().await {
        let refused = refused.unwrap();
        assert!(message(&refused).contains("may not create and patch"));
    }
    let most = api.most_reviews();
    assert!((4..=8).contains(&most), "{most}");
}
