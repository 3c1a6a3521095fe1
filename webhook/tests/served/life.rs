//! Watches that break, and the end.

use axum::http::StatusCode;

use crate::patience::{in_time, until};
use crate::webhook::{Webhook, patched, pod};
use crate::{OBJECTS, cluster};

/// A third of it passes before no new connections are taken, and the rest is more than a request takes.
const DRAIN: &str = "6s";

#[tokio::test]
async fn a_watch_that_expired_begins_again() {
    let webhook = Webhook::start(cluster()).await;
    webhook.api.add_class("later", "aws", OBJECTS, true);
    webhook.api.expire_watches();
    let metric = "aws_secrets_webhook_store_objects{kind=\"SecretProviderClass\"} 2";
    until("the new class is in memory", async || {
        webhook.get("/metrics").await.1.contains(metric)
    })
    .await;
    // The first pod may wait for the nodes' region.
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
    let before = webhook.api.asked();
    patched(&pod("later"), &webhook.admit(&pod("later")).await);
    assert_eq!(webhook.api.asked(), before);
}

#[tokio::test]
async fn near_the_end_every_answer_closes_its_connection() {
    // Long enough that it takes connections until the test is over.
    let mut webhook = Webhook::start_draining(cluster(), "1h").await;
    let mut open = webhook.connect().await.unwrap();
    patched(&pod("db"), &open.admit(&pod("db")).await);
    webhook.shut_down();
    let not_ready = (
        StatusCode::SERVICE_UNAVAILABLE,
        "not ready: shutting down\n".to_owned(),
    );
    until("the webhook says that it shuts down", async || {
        webhook.get("/readyz").await == not_ready
    })
    .await;
    // It is still served, and so is a new one: other machines may not know yet.
    patched(&pod("db"), &open.admit(&pod("db")).await);
    assert!(open.is_closed().await);
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
}

#[tokio::test]
async fn at_the_end_open_requests_are_answered_and_new_ones_are_not_taken() {
    // Less than a review waits for the API server passes before no new connections are taken.
    let mut webhook = Webhook::start_draining(cluster(), "2s").await;
    webhook.api.add_class("slow", "aws", OBJECTS, false);
    webhook.api.close_gate();
    let mut open = webhook.connect().await.unwrap();
    let answer = tokio::spawn(async move { open.admit(&pod("slow")).await });
    webhook.api.class_is_asked_for("slow").await;
    webhook.shut_down();
    webhook.closed().await;
    assert!(!answer.is_finished());
    webhook.api.open_gate();
    let answer = in_time("the open request is answered", answer).await;
    patched(&pod("slow"), &answer.unwrap());
    webhook.ended().await;
}

#[tokio::test]
async fn at_the_end_an_idle_connection_brings_one_more_request() {
    let mut webhook = Webhook::start_draining(cluster(), DRAIN).await;
    let mut idle = webhook.connect().await.unwrap();
    patched(&pod("db"), &idle.admit(&pod("db")).await);
    webhook.shut_down();
    webhook.closed().await;
    // The API server does not know yet, and sends its next pod on a connection that it has.
    patched(&pod("db"), &idle.admit(&pod("db")).await);
    assert!(idle.is_closed().await);
    // Nothing is left to wait for.
    webhook.ended().await;
}
