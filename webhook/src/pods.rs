//! Reviews of pods.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::core::admission::{AdmissionRequest, AdmissionResponse};

use crate::admission::Admission;
use crate::metrics::Outcome;
use crate::review::{refused, with_warnings};

/// Answers one review, and says what became of it.
pub(crate) async fn answer(
    admission: &Admission,
    request: &AdmissionRequest<Pod>,
) -> (AdmissionResponse, Outcome) {
    let response = AdmissionResponse::from(request);
    let Some(pod) = &request.object else {
        return (response, Outcome::Unchanged);
    };
    let namespace = request
        .namespace
        .as_deref()
        .or(pod.metadata.namespace.as_deref())
        .unwrap_or("default");
    let uid = request.uid.as_str();
    let name = name_of(pod);
    match admission.admit(pod, namespace).await {
        Ok(admitted) if admitted.patch.is_empty() => {
            tracing::debug!(uid, namespace, pod = name, "nothing to inject");
            (
                with_warnings(response, admitted.warnings),
                Outcome::Unchanged,
            )
        }
        Ok(admitted) => {
            tracing::info!(
                uid,
                namespace,
                pod = name,
                classes = admitted.classes.join(","),
                dry_run = request.dry_run,
                "injected"
            );
            match AdmissionResponse::from(request).with_patch(admitted.patch) {
                Ok(patched) => (with_warnings(patched, admitted.warnings), Outcome::Injected),
                Err(error) => (
                    refused(response, 500, &error.to_string()),
                    Outcome::Refused("internal"),
                ),
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
            (
                refused(response, refusal.code(), &refusal.to_string()),
                Outcome::Refused(refusal.reason()),
            )
        }
    }
}

/// The pod's name, or what its controller will begin it with.
fn name_of(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap_or_else(|| {
        format!(
            "{}*",
            pod.metadata.generate_name.as_deref().unwrap_or_default()
        )
    })
}
