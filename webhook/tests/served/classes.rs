//! Classes are reviewed when they are applied.

use serde_json::{Value, json};

use crate::api::class;
use crate::webhook::Webhook;
use crate::{OBJECTS, cluster, message};

async fn admit(class: &Value, old: Option<&Value>) -> Value {
    let webhook = Webhook::start(cluster()).await;
    webhook
        .connect()
        .await
        .unwrap()
        .admit_class(class, old)
        .await
}

/// Two mistakes, on lines 1 and 2.
fn bad() -> Value {
    class(
        "db",
        "aws",
        "- {objectType: secretsmanager}\n- {objectName: a, objectType: ssn}\n",
    )
}

#[tokio::test]
async fn a_good_class_is_allowed_without_a_word() {
    for version in ["v1", "v1alpha1"] {
        let mut class = class("db", "aws", OBJECTS);
        class["apiVersion"] = format!("secrets-store.csi.x-k8s.io/{version}").into();
        let response = admit(&class, None).await;
        assert_eq!(
            (&response["allowed"], &response["warnings"]),
            (&json!(true), &Value::Null),
            "{response}"
        );
    }
}

#[tokio::test]
async fn a_bad_class_is_refused_with_every_mistake_and_its_line() {
    let response = admit(&bad(), None).await;
    let message = message(&response);
    for part in [
        "class \"db\": objects[0].objectName (line 1 of objects)",
        "class \"db\": objects[1] \"a\": objectType (line 2 of objects): \"ssn\"",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(response["status"]["code"], 422);
}

#[tokio::test]
async fn what_has_no_effect_is_a_warning() {
    let mut class = class("db", "aws", OBJECTS);
    class["spec"]["secretObjects"] = json!([
        {"secretName": "copy", "type": "opaque", "data": [{"objectName": "db", "key": "a"}]},
    ]);
    class["spec"]["parameters"]["regoin"] = "us-east-2".into();
    let response = admit(&class, None).await;
    assert_eq!(response["allowed"], true, "{response}");
    let warnings = response["warnings"].to_string();
    for part in ["secretObjects", "regoin"] {
        assert!(warnings.contains(part), "{warnings}");
    }
}

#[tokio::test]
async fn a_bad_secret_is_refused_with_its_name_and_field() {
    let mut class = class("db", "aws", OBJECTS);
    class["spec"]["secretObjects"] = json!([{"secretName": "copy", "type": "Opaque"}]);
    let response = admit(&class, None).await;
    assert_eq!(
        message(&response),
        "class \"db\": secretObjects[0] \"copy\": data: is required: list the keys of the Secret, each with objectName and key"
    );
}

#[tokio::test]
async fn a_class_without_any_region_is_a_warning() {
    let api = cluster();
    api.add_node("us-west-2");
    let webhook = Webhook::start(api).await;
    let mut connection = webhook.connect().await.unwrap();
    let response = connection
        .admit_class(&class("db", "aws", OBJECTS), None)
        .await;
    assert_eq!(response["allowed"], true, "{response}");
    assert!(
        response["warnings"][0].as_str().unwrap().contains("region"),
        "{response}"
    );
}

#[tokio::test]
async fn classes_of_other_providers_are_not_looked_at() {
    let mut other = bad();
    other["spec"]["provider"] = "azure".into();
    assert_eq!(admit(&other, None).await["allowed"], true);
}

#[tokio::test]
async fn a_provider_that_is_almost_aws_or_missing_is_a_warning() {
    for (provider, words) in [
        (
            json!("AWS"),
            "provider: is \"AWS\", which no pod can use: write \"provider: aws\"",
        ),
        (json!(" aws"), "provider: is \" aws\""),
        (json!(""), "provider: is required: write \"provider: aws\""),
        (Value::Null, "provider: is required"),
    ] {
        let mut class = class("db", "aws", OBJECTS);
        class["spec"]["provider"] = provider;
        let response = admit(&class, None).await;
        assert_eq!(response["allowed"], true, "{response}");
        let warning = response["warnings"][0].as_str().unwrap();
        assert!(
            warning.starts_with("class \"db\": ") && warning.contains(words),
            "{warning}"
        );
    }
    let response = admit(&class("db", "azure", OBJECTS), None).await;
    assert_eq!(response["warnings"], Value::Null, "{response}");
}

#[tokio::test]
async fn an_older_mistake_stops_no_change_of_labels_but_any_change_of_the_spec() {
    let old = bad();
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"team": "shop"});
    let response = admit(&labelled, Some(&old)).await;
    assert_eq!(response["allowed"], true, "{response}");
    assert!(
        response["warnings"][0]
            .as_str()
            .unwrap()
            .contains("objects[0].objectName"),
        "{response}"
    );
    let mut changed = old.clone();
    changed["spec"]["parameters"]["region"] = "us-east-2".into();
    message(&admit(&changed, Some(&old)).await);
}

#[tokio::test]
async fn a_class_that_no_pod_can_have_is_a_warning() {
    let large = class(
        "db",
        "aws",
        &format!("{OBJECTS}\n{}", "#".repeat(128 * 1024)),
    );
    let response = admit(&large, None).await;
    assert_eq!(response["allowed"], true, "{response}");
    let warning = response["warnings"][0].as_str().unwrap();
    for part in ["class \"db\": takes 131", "at most 130048", "split it"] {
        assert!(warning.contains(part), "{warning}");
    }
}

#[tokio::test]
async fn a_warning_stays_on_its_line() {
    let mut class = class("db", "aws", OBJECTS);
    class["spec"]["parameters"]["a\nb\u{1b}[2J"] = "x".into();
    let response = admit(&class, None).await;
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("a\\nb\\u{1b}[2J: is not a known"),
        "{warning}"
    );
}
