//! What is known of classes and ServiceAccounts, and what is asked for instead.

use serde_json::json;

use crate::webhook::{Webhook, patched, pod};
use crate::{OBJECTS, cluster, message};

/// How many classes are known, and nobody has asked for one of them.
async fn known(webhook: &Webhook, kind: &str, count: usize) {
    let (_, metrics) = webhook.get("/metrics").await;
    let kept = format!("aws_secrets_webhook_store_objects{{kind=\"{kind}\"}} {count}\n");
    assert!(metrics.contains(&kept), "{metrics}");
}

#[tokio::test]
async fn another_providers_class_is_refused_without_asking_for_it() {
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
    known(&webhook, "SecretProviderClass", 21).await;
    let asked = webhook.api.asked();
    let response = webhook.admit(&pod("vault-7")).await;
    assert!(
        message(&response).contains("class \"vault-7\": provider: is \"vault\""),
        "{response}"
    );
    assert_eq!(webhook.api.asked(), asked);
}

#[tokio::test]
async fn a_class_that_no_pod_can_have_is_refused_with_its_size_without_asking_for_it() {
    let api = cluster();
    // In JSON each newline is two bytes, and that is how the injector gets them.
    let lines = format!("{OBJECTS}\n{}", "#\n".repeat(50 * 1024));
    api.add_class("large", "aws", &lines, true);
    api.add_class("larger", "aws", &lines.repeat(12), true);
    let webhook = Webhook::start(api).await;
    known(&webhook, "SecretProviderClass", 3).await;
    let asked = webhook.api.asked();
    for (class, size) in [("large", "take 1537"), ("larger", "take 184")] {
        let response = webhook.admit(&pod(class)).await;
        let message = message(&response);
        assert!(message.contains(size), "{message}");
        assert!(message.contains("at most 130048"), "{message}");
    }
    assert_eq!(webhook.api.asked(), asked);
}

/// Nothing that one namespace has makes the list of all fail: where answers become too long, they have fewer objects.
#[tokio::test]
async fn a_list_of_large_classes_is_read_a_few_at_a_time() {
    let api = cluster();
    for index in 0..40 {
        let objects = "x".repeat(1_300_000);
        api.add_class(&format!("large-{index}"), "aws", &objects, true);
    }
    let webhook = Webhook::start(api).await;
    known(&webhook, "SecretProviderClass", 41).await;
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
}

#[tokio::test]
async fn a_list_of_many_pages_is_kept_as_a_whole() {
    let api = cluster();
    for index in 0..100 {
        api.add_class(&format!("class-{index}"), "aws", OBJECTS, true);
    }
    let webhook = Webhook::start(api).await;
    known(&webhook, "SecretProviderClass", 101).await;
    patched(&pod("class-99"), &webhook.admit(&pod("class-99")).await);
}

#[tokio::test]
async fn a_role_that_is_too_long_is_refused_without_asking_for_it() {
    let api = cluster();
    let role = format!("arn:aws:iam::111122223333:role/{}", "x".repeat(200 * 1024));
    api.add_service_account("long", &json!({"eks.amazonaws.com/role-arn": role}));
    let webhook = Webhook::start(api).await;
    known(&webhook, "ServiceAccount", 2).await;
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
    let asked = webhook.api.asked();
    let mut pod = pod("db");
    pod["spec"]["serviceAccountName"] = "long".into();
    let response = webhook.admit(&pod).await;
    let words = "ServiceAccount \"long\" in namespace \"shop\": annotation eks.amazonaws.com/role-arn: has 204831 bytes";
    assert!(message(&response).contains(words), "{response}");
    assert_eq!(webhook.api.asked(), asked);
}
