//! What is kept of classes and ServiceAccounts, and what is asked for instead.

use serde_json::json;

use crate::webhook::{Webhook, patched, pod};
use crate::{OBJECTS, cluster, message};

#[tokio::test]
async fn of_other_providers_classes_nothing_is_kept_and_the_refusal_is_the_same() {
    let api = cluster();
    for index in 0..20 {
        api.add_class(
            &format!("vault-{index}"),
            "vault",
            &"x".repeat(1024 * 1024),
            true,
        );
    }
    let webhook = Webhook::start(api).await;
    let (_, metrics) = webhook.get("/metrics").await;
    let kept = "aws_secrets_webhook_store_objects{kind=\"SecretProviderClass\"} 1\n";
    assert!(metrics.contains(kept), "{metrics}");
    let response = webhook.admit(&pod("vault-7")).await;
    assert!(
        message(&response).contains("class \"vault-7\": provider: is \"vault\""),
        "{response}"
    );
}

#[tokio::test]
async fn a_class_that_no_pod_can_have_is_not_kept_and_is_refused_with_its_size() {
    let api = cluster();
    // In JSON each newline is two bytes, and that is how the injector gets them.
    let lines = format!("{OBJECTS}\n{}", "#\n".repeat(50 * 1024));
    api.add_class("large", "aws", &lines, true);
    let webhook = Webhook::start(api).await;
    let (_, metrics) = webhook.get("/metrics").await;
    let kept = "aws_secrets_webhook_store_objects{kind=\"SecretProviderClass\"} 1\n";
    assert!(metrics.contains(kept), "{metrics}");
    let response = webhook.admit(&pod("large")).await;
    let message = message(&response);
    assert!(message.contains("take 1537"), "{message}");
    assert!(message.contains("at most 130048"), "{message}");
}

#[tokio::test]
async fn a_list_of_many_pages_is_kept_as_a_whole() {
    let api = cluster();
    for index in 0..100 {
        api.add_class(&format!("class-{index}"), "aws", OBJECTS, true);
    }
    let webhook = Webhook::start(api).await;
    let (_, metrics) = webhook.get("/metrics").await;
    let kept = "aws_secrets_webhook_store_objects{kind=\"SecretProviderClass\"} 101\n";
    assert!(metrics.contains(kept), "{metrics}");
    patched(&pod("class-99"), &webhook.admit(&pod("class-99")).await);
}

#[tokio::test]
async fn a_role_that_is_too_long_is_refused_and_not_kept() {
    let api = cluster();
    let role = format!("arn:aws:iam::111122223333:role/{}", "x".repeat(200 * 1024));
    api.add_service_account("long", &json!({"eks.amazonaws.com/role-arn": role}));
    let webhook = Webhook::start(api).await;
    let (_, metrics) = webhook.get("/metrics").await;
    let kept = "aws_secrets_webhook_store_objects{kind=\"ServiceAccount\"} 1\n";
    assert!(metrics.contains(kept), "{metrics}");
    let mut pod = pod("db");
    pod["spec"]["serviceAccountName"] = "long".into();
    let response = webhook.admit(&pod).await;
    let words = "ServiceAccount \"long\" in namespace \"shop\": annotation eks.amazonaws.com/role-arn: has 204831 bytes";
    assert!(message(&response).contains(words), "{response}");
}
