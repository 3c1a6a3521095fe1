//! The AdmissionReviews that are sent.

use hyper::body::Bytes;
use serde_json::json;

use crate::cluster::{NAMESPACE, annotations};

/// The review of a pod with this number of containers and variables in each, as the API server sends it.
pub(crate) fn review(containers: usize, variables: usize) -> anyhow::Result<Bytes> {
    let mut annotations = annotations();
    if variables > 0 {
        let items: Vec<_> = (0..variables)
            .map(|index| format!("VARIABLE_{index}=bench_secret-0"))
            .collect();
        annotations["aws-secrets-injector.io/env"] = items.join(",").into();
    }
    let container = |index: usize| {
        json!({
            "name": format!("app-{index}"),
            "image": format!("registry.example/team/app-{index}:1.2.3"),
            "env": [
                {"name": "LOG_LEVEL", "value": "info"},
                {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
            "volumeMounts": [{"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
        })
    };
    let containers: Vec<_> = (0..containers).map(container).collect();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "namespace": NAMESPACE, "annotations": annotations},
        "spec": {
            "serviceAccountName": "web",
            "containers": containers,
            "volumes": [{"name": "kube-api-access-x", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]}}],
        },
    });
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "",
            "namespace": NAMESPACE,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod,
            "oldObject": null,
            "dryRun": true,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    Ok(serde_json::to_vec(&review)?.into())
}
