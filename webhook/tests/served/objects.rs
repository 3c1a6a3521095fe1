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
