//! Watches that break, and the end.

use std::time::Duration;

use axum::http::StatusCode;

use crate::webhook::{Webhook, patched, pod};
use crate::{OBJECTS, cluster};

#[tokio::test]
async fn a_watch_that_expired_begins_again() {
    let webhook = Webhook::start(cluster()).await;
    webhook.api.add_class("later", "aws", OBJECTS, true);
    webhook.api.expire_watches();
    let metric = "aws_secrets_webhook_store_objects{kind=\"SecretProviderClass\"} 2";
    while !webhook.get("/metrics").await.1.contains(metric) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = webhook.api.asked();
    patched(&pod("later"), &webhook.admit(&pod("later")).await);
    assert_eq!(
        webhook.api.asked().len() - before.len(),
        1,
        "the region of the nodes alone"
    );
}

#[tokio::test]
async fn near_the_end_every_answer_closes_its_connection() {
    let webhook = Webhook::start(cluster()).await;
    let mut open = webhook.connect().await.unwrap();
    patched(&pod("db"), &open.admit(&pod("db")).await);
    webhook.readiness.end();
    let (status, body) = webhook.get("/readyz").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: ending\n")
    );
    // It is still served, and so is a new one: other machines may not know yet.
    patched(&pod("db"), &open.admit(&pod("db")).await);
    assert!(open.is_closed().await);
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
}

#[tokio::test]
async fn at_the_end_open_requests_are_answered_and_new_ones_are_not_taken() {
    let mut webhook = Webhook::start(cluster()).await;
    webhook.api.add_class("slow", "aws", OBJECTS, false);
    webhook.api.close_gate();
    let mut open = webhook.connect().await.unwrap();
    let answer = tokio::spawn(async move { open.admit(&pod("slow")).await });
    let slow = "GET /apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses/slow";
    while !webhook.api.asked().iter().any(|asked| asked == slow) {
        tokio::task::yield_now().await;
    }
    webhook.end();
    while webhook.connect().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!answer.is_finished());
    webhook.api.open_gate();
    patched(&pod("slow"), &answer.await.unwrap());
    webhook.ended().await;
}
