//! The AdmissionReview protocol: what the API server sends, and what it gets.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#webhook-request-and-response>.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::Resource;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::text;

/// The only version of the protocol that this webhook speaks.
const VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// A resource that is reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// Its API group; empty for the core.
    pub group: &'static str,
    /// Its name in the plural.
    pub plural: &'static str,
}

/// Pods.
pub const PODS: Reviewed = Reviewed {
    group: "",
    plural: "pods",
};

/// SecretProviderClasses.
pub const CLASSES: Reviewed = Reviewed {
    group: provider_class::GROUP,
    plural: provider_class::PLURAL,
};

/// Reads a request's body; the error is for the sender.
pub fn read<K>(body: &[u8], reviewed: Reviewed) -> Result<AdmissionRequest<K>, String>
where
    K: Resource + DeserializeOwned,
{
    let plural = reviewed.plural;
    let review: AdmissionReview<K> = serde_json::from_slice(body)
        .map_err(|error| format!("body is not an AdmissionReview of {plural}: {error}"))?;
    if review.types.api_version != VERSION || review.types.kind != KIND {
        let types = &review.types;
        return Err(format!(
            "{} {} is not supported: send {VERSION} {KIND}",
            types.api_version, types.kind
        ));
    }
    let request: AdmissionRequest<K> = review
        .try_into()
        .map_err(|_| "the AdmissionReview has no request".to_owned())?;
    if request.resource.group == reviewed.group && request.resource.resource == plural {
        Ok(request)
    } else {
        Err(format!(
            "resource {:?} is not {plural}",
            request.resource.resource
        ))
    }
}

/// The HTTP answer with a review's response. The patch is in base64, as the protocol says: kube writes a number for each of
/// its bytes, which the API server reads as well, but which is three times as long.
pub(crate) fn answered(mut response: AdmissionResponse) -> Response {
    let patch = response.patch.take();
    let patch = patch.map(|patch| BASE64_STANDARD.encode(patch));
    let review = AnsweredReview {
        api_version: VERSION,
        kind: KIND,
        response: Patched { response, patch },
    };
    Json(review).into_response()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnsweredReview {
    api_version: &'static str,
    kind: &'static str,
    response: Patched,
}

#[derive(Serialize)]
struct Patched {
    #[serde(flatten)]
    response: AdmissionResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

/// The HTTP answer to a review that panicked.
pub(crate) fn panicked(uid: &str) -> Response {
    tracing::error!(
        uid = text::name(uid),
        "a review panicked; the previous line says where: please report it"
    );
    let message = "internal error in aws-secrets-injector: please report it with the webhook's log";
    (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
}

/// The HTTP answer to a body that is not a review. The reason may quote it.
pub(crate) fn malformed(reason: &str) -> Response {
    let reason = text::line(reason);
    tracing::warn!("not a review: {reason}");
    (StatusCode::BAD_REQUEST, reason).into_response()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

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
        read(review.to_string().as_bytes(), PODS)
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
                .contains("not an AdmissionReview of pods")
        );
        assert!(read::<Pod>(b"\xff", PODS).is_err());
    }
}
