//! What a platform decides about all pods: identity, defaults, shared classes, only classes.

use serde_json::{Value, json};

use crate::webhook::{Webhook, patched, pod};
use crate::{OBJECTS, cluster, message};

const PREFIX: &str = "aws-secrets-injector.io";

fn annotations(pod: &Value) -> &Value {
    &pod["metadata"]["annotations"]
}

/// The variable by which the injector knows its classes.
fn snapshot(after: &Value) -> String {
    after["spec"]["initContainers"][0]["env"][0]["value"].to_string()
}

fn token_sources(after: &Value) -> String {
    let volumes = after["spec"]["volumes"].as_array().unwrap();
    let mut volumes = volumes.iter();
    let tokens = volumes.find(|volume| volume["name"] == "aws-secrets-injector-token");
    tokens.unwrap()["projected"]["sources"].to_string()
}

#[tokio::test]
async fn the_platform_says_how_classes_get_credentials_that_do_not_say_it() {
    for (identity, account, agent) in [
        ("irsa", "web", false),
        ("podIdentity", "web", true),
        ("auto", "web", false),
        ("auto", "bare", true),
    ] {
        let api = cluster();
        api.add_service_account("bare", &json!({}));
        let says = json!({"objects": OBJECTS, "usePodIdentity": "false"});
        let mut class = crate::api::class("says", "aws", OBJECTS);
        class["spec"]["parameters"] = says;
        api.put_class("says", class);
        let webhook = Webhook::start_saying(api, &["--identity", identity]).await;
        let mut pod = pod("db");
        pod["spec"]["serviceAccountName"] = account.into();
        let after = patched(&pod, &webhook.admit(&pod).await);
        let sources = token_sources(&after);
        assert_eq!(
            sources.contains("pods.eks.amazonaws.com"),
            agent,
            "{identity} {account}"
        );
        assert_eq!(
            sources.contains("sts.amazonaws.com"),
            !agent,
            "{identity} {account}"
        );
        assert_eq!(snapshot(&after).contains("usePodIdentity"), agent);
        // The class's own word wins.
        pod["metadata"]["annotations"][format!("{PREFIX}/secret-provider-class")] = "says".into();
        pod["spec"]["serviceAccountName"] = "web".into();
        let after = patched(&pod, &webhook.admit(&pod).await);
        assert!(
            !token_sources(&after).contains("pods.eks.amazonaws.com"),
            "{identity}"
        );
    }
}

#[tokio::test]
async fn a_pod_gets_the_annotations_that_it_does_not_set() {
    let defaults = "refresh-interval: 1h\nrun-as-user: 7\nenv-method: exec\n";
    let webhook = Webhook::start_saying(cluster(), &["--defaults", defaults]).await;
    let mut pod = pod("db");
    pod["metadata"]["annotations"][format!("{PREFIX}/run-as-user")] = "8".into();
    let response = webhook.admit(&pod).await;
    assert_eq!(response["warnings"], Value::Null, "{response}");
    let after = patched(&pod, &response);
    let written = annotations(&after);
    assert_eq!(written[format!("{PREFIX}/refresh-interval")], "1h");
    assert_eq!(written[format!("{PREFIX}/run-as-user")], "8");
    let containers = &after["spec"]["initContainers"];
    assert_eq!(containers[1]["name"], "aws-secrets-refresher");
    assert_eq!(containers[0]["securityContext"]["runAsUser"], 8);
    assert_eq!(webhook.admit(&after).await["patch"], Value::Null);
    // No default makes a pod request secrets.
    let bare = json!({"spec": {"containers": [{"name": "web"}]}});
    assert_eq!(webhook.admit(&bare).await["patch"], Value::Null);
}

#[tokio::test]
async fn a_namespace_goes_before_the_cluster_and_a_message_says_where_a_value_is_from() {
    let api = cluster();
    api.add_namespace(
        "shop",
        &json!({
            format!("{PREFIX}/refresh-interval"): "5m",
            format!("{PREFIX}/cpu-limit"): "1m",
            format!("{PREFIX}/secret-provider-class"): "other",
            "other": "x",
        }),
    );
    let saying = ["--namespace-defaults", "--defaults", "refresh-interval: 1h"];
    let webhook = Webhook::start_saying(api, &saying).await;
    let pod = pod("db");
    let after = patched(&pod, &webhook.admit(&pod).await);
    assert_eq!(
        annotations(&after)[format!("{PREFIX}/refresh-interval")],
        "5m"
    );
    let mut bad = pod.clone();
    bad["metadata"]["annotations"][format!("{PREFIX}/cpu-request")] = "2m".into();
    let response = webhook.admit(&bad).await;
    let message = message(&response);
    assert!(
        message.contains("2m is more than the limit 1m"),
        "{message}"
    );
    let webhook = {
        let api = cluster();
        api.add_namespace(
            "shop",
            &json!({format!("{PREFIX}/refresh-interval"): "often"}),
        );
        Webhook::start_saying(api, &saying).await
    };
    let response = webhook.admit(&pod).await;
    let message = crate::message(&response);
    assert!(
        message.contains("refresh-interval: \"often\" is not a duration")
            && message.contains(
                "refresh-interval: \"often\" is from the annotations of namespace \"shop\""
            ),
        "{message}"
    );
}

#[tokio::test]
async fn a_default_that_no_pod_could_have_ends_the_webhook() {
    use clap::Parser as _;
    for (defaults, words) in [
        ("refresh-interval: often", "\"often\" is not a duration"),
        (
            "secret-provider-class: db",
            "\"secret-provider-class\" is not an annotation that can have a default: use mount-path, ",
        ),
        (
            "refresh-intervall: 1h",
            "\"refresh-intervall\" is not an annotation that can have a default",
        ),
        (
            "[a]",
            "must be a YAML map of annotations, such as \"refresh-interval: 1h\", not a list",
        ),
        ("{cpu-request: 2, cpu-limit: 1}", "is more than the limit"),
    ] {
        let args = ["webhook", "--injector-image", "i", "--defaults", defaults];
        let error = aws_secrets_webhook::Args::try_parse_from(args)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_class_of_a_namespace_that_shares_its_classes_serves_pods_of_all() {
    let api = cluster();
    let mut class = crate::api::class("common", "aws", OBJECTS);
    class["metadata"]["namespace"] = "platform".into();
    class["spec"]["secretObjects"] = json!([{
        "secretName": "credentials", "type": "Opaque", "data": [{"objectName": "db", "key": "password"}],
    }]);
    api.put_class_of("platform", "common", class);
    let webhook =
        Webhook::start_saying(api, &["--shared-class-namespaces", "platform,other"]).await;
    let pod = pod("platform/common");
    let after = patched(&pod, &webhook.admit(&pod).await);
    assert!(
        snapshot(&after).contains(r#"\"name\":\"platform/common\""#),
        "{}",
        snapshot(&after)
    );
    let missing = crate::webhook::pod("platform/missing");
    let response = webhook.admit(&missing).await;
    assert!(message(&response).contains("\"missing\" not found in namespace \"platform\""));
    // Whether it exists, nobody is told.
    for name in ["secret/common", "secret/missing"] {
        let response = webhook.admit(&crate::webhook::pod(name)).await;
        let message = message(&response);
        assert!(
            message
                .contains("classes of namespace \"secret\" are not shared with other namespaces")
                && message.contains("sharedClasses.namespaces"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn where_only_classes_count_annotations_describe_no_secrets() {
    let webhook = Webhook::start_saying(cluster(), &["--allow-objects", "false"]).await;
    for name in ["objects", "parameters"] {
        let mut pod = pod("db");
        pod["metadata"]["annotations"][format!("{PREFIX}/{name}")] = "region: us-east-2".into();
        let response = webhook.admit(&pod).await;
        let message = message(&response);
        assert!(
            message.contains(&format!(
                "annotation {PREFIX}/{name} is not allowed in this cluster"
            )),
            "{message}"
        );
    }
    patched(&pod("db"), &webhook.admit(&pod("db")).await);
}

#[tokio::test]
async fn pods_with_another_state_of_a_class_have_another_label() {
    let webhook = Webhook::start(cluster()).await;
    let hash = async |pod: &Value| {
        let after = patched(pod, &webhook.admit(pod).await);
        after["metadata"]["labels"]["aws-secrets-injector.io/class-hash"].to_string()
    };
    let first = hash(&pod("db")).await;
    assert_eq!(first.len(), 12, "{first}");
    assert_eq!(hash(&pod("db=/etc/db")).await, first);
    let described = |objects: &str| {
        let mut pod = pod("db");
        pod["metadata"]["annotations"] = json!({format!("{PREFIX}/objects"): objects});
        pod
    };
    let [one, other] = ["a", "b"].map(|name| {
        described(&format!(
            "[{{objectName: {name}, objectType: secretsmanager}}]"
        ))
    });
    assert_ne!(hash(&one).await, hash(&other).await);
    // A pod that was exported before the class has changed.
    let mut old = patched(&one, &webhook.admit(&one).await);
    old["metadata"]["annotations"][format!("{PREFIX}/objects")] =
        other["metadata"]["annotations"][format!("{PREFIX}/objects")].clone();
    assert_eq!(hash(&old).await, hash(&other).await);
}
