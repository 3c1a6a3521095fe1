//! Objects of the API server in memory.

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

/// What ServiceAccount `web` in namespace `shop` may do: create and patch these Secrets.
pub(crate) fn may_write(spec: &Value, secrets: &[String]) -> bool {
    let asked = &spec["resourceAttributes"];
    spec["user"] == "system:serviceaccount:shop:web"
        && asked["namespace"] == "shop"
        && asked["resource"] == "secrets"
        && ["create", "patch"]
            .iter()
            .any(|verb| asked["verb"] == *verb)
        && secrets.iter().any(|name| asked["name"] == name.as_str())
}
