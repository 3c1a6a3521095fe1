//! The AdmissionReview protocol: what the API server sends, and what it gets.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#webhook-request-and-response>.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview};

use crate::admission::Admission;

/// Where the API server sends pods.
pub const MUTATE_PODS: &str = "/mutate-pods";

/// The largest body that is read: the API server's own bound for an object, and some for the rest of the review.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Warnings of one answer: the API server cuts off more, and longer ones.
const MAX_WARNINGS: usize = 10;
const MAX_WARNING: usize = 250;

/// The only version of the protocol that this webhook speaks.
const VERSION: &str = "admission.k8s.io/v1";

/// Answers reviews.
pub fn router(admission: Admission) -> Router {
    Router::new()
        .route(MUTATE_PODS, axum::routing::post(mutate_pods))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .with_state(admission)
}

async fn mutate_pods(State(admission): State<Admission>, body: Bytes) -> Response {
    match read(&body) {
        Ok(request) => Json(answer(&admission, &request).await.into_review()).into_response(),
        Err(reason) => {
            tracing::warn!("not an AdmissionReview of a pod: {reason}");
            (StatusCode::BAD_REQUEST, reason).into_response()
        }
    }
}

/// Reads the body; the error is for the sender.
fn read(body: &[u8]) -> Result<AdmissionRequest<Pod>, String> {
    let review: AdmissionReview<Pod> = serde_json::from_slice(body)
        .map_err(|error| format!("body is not an AdmissionReview of a pod: {error}"))?;
    if review.types.api_version != VERSION || review.types.kind != "AdmissionReview" {
        let types = &review.types;
        return Err(format!(
            "{} {} is not supported: send {VERSION} AdmissionReview",
            types.api_version, types.kind
        ));
    }
    let request: AdmissionRequest<Pod> = review
        .try_into()
        .map_err(|_| "the AdmissionReview has no request".to_owned())?;
    if request.resource.group.is_empty() && request.resource.resource == "pods" {
        Ok(request)
    } else {
        Err(format!(
            "resource {:?} is not pods",
            request.resource.resource
        ))
    }
}

async fn answer(admission: &Admission, request: &AdmissionRequest<Pod>) -> AdmissionResponse {
    let response = AdmissionResponse::from(request);
    let Some(pod) = &request.object else {
        return response;
    };
    let namespace = request
        .namespace
        .as_deref()
        .or(pod.metadata.namespace.as_deref())
        .unwrap_or("default");
    let name = pod.metadata.name.clone().unwrap_or_else(|| {
        format!(
            "{}*",
            pod.metadata.generate_name.as_deref().unwrap_or_default()
        )
    });
    let uid = request.uid.as_str();
    match admission.admit(pod, namespace).await {
        Ok(admitted) if admitted.patch.is_empty() => {
            tracing::debug!(uid, namespace, pod = name, "nothing to inject");
            with_warnings(response, admitted.warnings)
        }
        Ok(admitted) => {
            let dry_run = request.dry_run;
            tracing::info!(
                uid,
                namespace,
                pod = name,
                classes = admitted.classes.join(","),
                dry_run,
                "injected"
            );
            match response.clone().with_patch(admitted.patch) {
                Ok(patched) => with_warnings(patched, admitted.warnings),
                Err(error) => refuse(response, 500, &error.to_string()),
            }
        }
        Err(refusal) => {
            let owner = pod
                .owner_references()
                .first()
                .map(|owner| owner.name.clone());
            tracing::warn!(
                uid,
                namespace,
                pod = name,
                owner,
                reason = refusal.reason(),
                "refused: {refusal}"
            );
            refuse(response, refusal.code(), &refusal.to_string())
        }
    }
}

fn refuse(response: AdmissionResponse, code: u16, message: &str) -> AdmissionResponse {
    let mut response = response.deny(message);
    response.result.code = code;
    response
}

fn with_warnings(mut response: AdmissionResponse, warnings: Vec<String>) -> AdmissionResponse {
    let short = |warning: String| warning.chars().take(MAX_WARNING).collect();
    let warnings: Vec<String> = warnings.into_iter().take(MAX_WARNINGS).map(short).collect();
    response.warnings = (!warnings.is_empty()).then_some(warnings);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(change: impl Fn(&mut serde_json::Value)) -> Result<AdmissionRequest<Pod>, String> {
        let mut review = serde_json::json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "operation": "CREATE",
                "userInfo": {},
                "namespace": "shop",
                "object": {"metadata": {"generateName": "web-"}, "spec": {"containers": [{"name": "web"}]}},
            },
        });
        change(&mut review);
        read(review.to_string().as_bytes())
    }

    #[test]
    fn reads_what_the_api_server_sends() {
        let request = review(|_| ()).unwrap();
        assert_eq!(request.namespace.as_deref(), Some("shop"));
    }

    #[test]
    fn says_what_is_wrong_with_anything_else() {
        assert!(
            review(|review| review["apiVersion"] = "admission.k8s.io/v1beta1".into())
                .unwrap_err()
                .contains("is not supported")
        );
        assert!(
            review(|review| review["request"] = serde_json::Value::Null)
                .unwrap_err()
                .contains("no request")
        );
        assert!(
            review(|review| review["request"]["resource"]["resource"] = "secrets".into())
                .unwrap_err()
                .contains("is not pods")
        );
        assert!(
            review(|review| review["request"]["object"]["spec"]["containers"] = "x".into())
                .unwrap_err()
                .contains("not an AdmissionReview of a pod")
        );
        assert!(read(b"\xff").is_err());
    }
}
