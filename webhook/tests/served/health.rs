//! Probes and metrics.

use axum::http::StatusCode;
use serde_json::json;

use crate::cluster;
use crate::patience::until;
use crate::webhook::{Webhook, pod};

/// The value of a metric; 0 where it is not there.
fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn probes_say_yes_when_it_can_answer() {
    let webhook = Webhook::start(cluster()).await;
    assert_eq!(
        webhook.get("/healthz").await,
        (StatusCode::OK, "ok\n".to_owned())
    );
    assert_eq!(
        webhook.get("/readyz").await,
        (StatusCode::OK, "ok\n".to_owned())
    );
    assert_eq!(webhook.get("/").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn metrics_say_until_when_certificates_hold_and_what_is_wrong() {
    let webhook = Webhook::start(cluster()).await;
    let expiry = |metrics: &str, which: &str| {
        let name = format!(
            "aws_secrets_webhook_certificate_expiry_timestamp_seconds{{certificate=\"{which}\"}}"
        );
        value(metrics, &name)
    };
    let forbidden = "aws_secrets_webhook_certificate_problem{reason=\"forbidden\"}";
    let (_, metrics) = webhook.get("/metrics").await;
    assert!(expiry(&metrics, "authority") > expiry(&metrics, "serving"));
    assert!(expiry(&metrics, "serving") > 0);
    assert_eq!(value(&metrics, forbidden), 0, "{metrics}");
    webhook.api.forbid_secret().await;
    until("the missing permission is a metric", async || {
        let (_, metrics) = webhook.get("/metrics").await;
        value(&metrics, forbidden) == 1
    })
    .await;
    // It goes on serving the certificate that it has.
    assert_eq!(webhook.get("/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn metrics_count_what_became_of_reviews_and_name_nobody() {
    let webhook = Webhook::start(cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    connection.admit(&pod("db")).await;
    connection.admit(&pod("db")).await;
    connection.admit(&pod("missing-class")).await;
    connection
        .admit(&json!({"spec": {"containers": [{"name": "web"}]}}))
        .await;
    connection.post("/mutate-pods", "{}").await;
    let (_, metrics) = webhook.get("/metrics").await;
    let reviews = |result: &str, reason: &str| {
        let name = format!(
            "aws_secrets_webhook_reviews_total{{resource=\"pods\",result=\"{result}\",reason=\"{reason}\"}}"
        );
        value(&metrics, &name)
    };
    assert_eq!(reviews("injected", ""), 2, "{metrics}");
    assert_eq!(reviews("refused", "no-class"), 1, "{metrics}");
    assert_eq!(reviews("unchanged", ""), 1, "{metrics}");
    assert_eq!(reviews("malformed", ""), 1, "{metrics}");
    let count = |name: &str| value(&metrics, &format!("aws_secrets_webhook_{name}"));
    assert_eq!(
        count("review_duration_seconds_count{resource=\"pods\"}"),
        5,
        "{metrics}"
    );
    for kind in ["SecretProviderClass", "ServiceAccount"] {
        assert_eq!(
            count(&format!("store_objects{{kind=\"{kind}\"}}")),
            1,
            "{metrics}"
        );
        assert_eq!(
            count(&format!("store_synced{{kind=\"{kind}\"}}")),
            1,
            "{metrics}"
        );
    }
    assert_eq!(count("ready"), 1, "{metrics}");
    for name in ["missing-class", "shop", "web-"] {
        assert!(!metrics.contains(name), "{name} in {metrics}");
    }
}
