//! Objects of the API server in memory.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// A class in namespace `shop`.
pub(crate) fn class(name: &str, provider: &str, objects: &str) -> Value {
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"provider": provider, "parameters": {"objects": objects}},
    })
}

/// A node whose kubelet has this version.
pub(crate) fn node(name: &str, labels: &Value, version: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": labels},
        "status": {"nodeInfo": {"kubeletVersion": version}},
    })
}

/// The version of a cluster.
pub(crate) fn version(minor: &str) -> Value {
    json!({
        "major": "1", "minor": minor, "gitVersion": format!("v1.{minor}.0"), "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
    })
}

/// A list, in as many answers as its reader asks for.
pub(crate) fn page(items: &[Value], query: &str) -> Response {
    let number = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.find_map(|(key, value)| (key == name).then_some(value));
        value.map(|value| value.parse::<usize>().unwrap())
    };
    let start = number("continue").unwrap_or_default();
    let end = items
        .len()
        .min(start + number("limit").unwrap_or(usize::MAX - start));
    let mut metadata = json!({"resourceVersion": "1"});
    if end < items.len() {
        metadata["continue"] = end.to_string().into();
    }
    axum::Json(json!({"metadata": metadata, "items": items[start..end]})).into_response()
}

/// An answer without an object.
pub(crate) fn status(code: StatusCode, reason: &str, message: &str) -> Response {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code.as_u16(),
    });
    (code, axum::Json(status)).into_response()
}

/// Where SubjectAccessReviews are created.
pub(crate) const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// What ServiceAccount `web` in namespace `shop` may do: create and patch these Secrets.
pub(crate) fn reviewed(mut review: Value, secrets: &[String]) -> Response {
    let asked = &review["spec"]["resourceAttributes"];
    let is_allowed = review["spec"]["user"] == "system:serviceaccount:shop:web"
        && asked["namespace"] == "shop"
        && asked["resource"] == "secrets"
        && ["create", "patch"]
            .iter()
            .any(|verb| asked["verb"] == *verb)
        && secrets.iter().any(|name| asked["name"] == name.as_str());
    review["status"] = json!({"allowed": is_allowed});
    (StatusCode::CREATED, axum::Json(review)).into_response()
}
