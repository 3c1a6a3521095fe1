//! Names in a review, which anyone may write who reaches the port.

use serde_json::json;

use crate::cluster;
use crate::message;
use crate::webhook::{Webhook, patched, pod, pod_request};

/// Each would make a request to the API server another one.
const PATHS: [&str; 7] = [
    "aws-secrets-injector/secrets/aws-secrets-injector-authorities?x=",
    "shop/serviceaccounts?watch=true&x=",
    "shop/serviceaccounts/web#",
    "../../version?",
    "shop%2fsecrets",
    "shop\r\nHost: other",
    "Shop",
];

#[tokio::test]
async fn no_name_in_a_review_shapes_a_request() {
    let webhook = Webhook::start(cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    // The first pod may wait for the nodes' region.
    patched(&pod("db"), &connection.admit(&pod("db")).await);
    let (asked, watches) = (webhook.api.asked(), webhook.api.watches());
    for path in PATHS {
        let mut request = pod_request(&pod("missing"));
        request["namespace"] = path.into();
        let response = connection.review("/mutate-pods", request).await;
        let refused = message(&response);
        assert!(refused.starts_with("namespace: "), "{refused}");
        assert!(!refused.contains('\n'), "{refused}");

        let mut of_account = pod("db");
        of_account["spec"]["serviceAccountName"] = path.into();
        let response = connection.admit(&of_account).await;
        let refused = message(&response);
        assert!(
            refused.starts_with("spec.serviceAccountName: "),
            "{refused}"
        );

        let response = connection.admit(&pod(path)).await;
        let refused = message(&response);
        let annotation = "annotation aws-secrets-injector.io/secret-provider-class: ";
        assert!(refused.starts_with(annotation), "{refused}");

        let mut named = pod("db");
        named["metadata"]["name"] = path.into();
        let response = connection.admit(&named).await;
        let refused = message(&response);
        assert!(refused.starts_with("metadata.name: "), "{refused}");

        let class = crate::api::class(path, "aws", crate::OBJECTS);
        let response = connection.admit_class(&class, None).await;
        let refused = message(&response);
        assert!(refused.starts_with("metadata.name: "), "{refused}");
    }
    assert_eq!(webhook.api.asked(), asked);
    assert_eq!(webhook.api.watches(), watches);
    let (_, metrics) = webhook.get("/metrics").await;
    assert!(metrics.contains("reason=\"invalid-name\"} 21"), "{metrics}");
}

/// A Deployment's pods have no name yet, and other programs leave fields out for a dry run.
#[tokio::test]
async fn what_is_left_out_is_no_wrong_name() {
    let webhook = Webhook::start(cluster()).await;
    let mut connection = webhook.connect().await.unwrap();
    for name in [json!(null), json!(""), json!("web-1.a")] {
        let mut named = pod("db");
        named["metadata"]["name"] = name.clone();
        let mut request = pod_request(&named);
        request["name"] = name.as_str().unwrap_or_default().into();
        let response = connection.review("/mutate-pods", request).await;
        patched(&named, &response);
    }
}
