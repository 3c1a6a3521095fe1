//! Reviews of pods.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, Operation};

use crate::admission::admitted::Admitted;
use crate::admission::decision::Admission;
use crate::admission::names;
use crate::admission::refusal::Refusal;
use crate::admission::response::{Outcome, refused, with_warnings};
use crate::text;

/// Answers one review, and says what became of it.
pub(crate) async fn answer(
    admission: &Admission,
    request: &AdmissionRequest<Pod>,
) -> (AdmissionResponse, Outcome) {
    let response = AdmissionResponse::from(request);
    // The API server asks about pods that are created. Anybody else is told nothing.
    let is_creation = request.operation == Operation::Create && request.sub_resource.is_none();
    let Some(pod) = request.object.as_ref().filter(|_| is_creation) else {
        return (response, Outcome::Unchanged);
    };
    let name = name_of(pod);
    // What the log has of them; the sender may have written anything.
    let uid = text::name(&request.uid);
    let uid = uid.as_str();
    let logged_namespace = request.namespace.as_deref().map(text::name);
    match admit(admission, request, pod).await {
        Ok(admitted) if admitted.patch.is_empty() => {
            tracing::debug!(
                uid,
                namespace = logged_namespace,
                pod = name,
                "nothing to inject"
            );
            (
                with_warnings(response, &admitted.warnings),
                Outcome::Unchanged,
            )
        }
        Ok(admitted) => {
            tracing::info!(
                uid,
                namespace = logged_namespace,
                pod = name,
                classes = admitted.classes.join(","),
                dry_run = request.dry_run,
                "injected"
            );
            match AdmissionResponse::from(request).with_patch(admitted.patch) {
                Ok(patched) => (
                    with_warnings(patched, &admitted.warnings),
                    Outcome::Injected,
                ),
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
                .map(|owner| text::name(&owner.name));
            let message = refusal.message();
            tracing::warn!(
                uid,
                namespace = logged_namespace,
                pod = name,
                owner,
                reason = refusal.reason(),
                "refused: {message}"
            );
            (
                refused(response, refusal.code(), &message),
                Outcome::Refused(refusal.reason()),
            )
        }
    }
}

async fn admit(
    admission: &Admission,
    request: &AdmissionRequest<Pod>,
    pod: &Pod,
) -> Result<Admitted, Refusal> {
    let namespace = names::namespace(request, pod)?;
    let account = names::service_account(pod)?;
    admission.admit(pod, &namespace, &account).await
}

/// The pod's name, or what its controller will begin it with.
fn name_of(pod: &Pod) -> String {
    if let Some(name) = &pod.metadata.name {
        return text::name(name);
    }
    let start = pod.metadata.generate_name.as_deref().unwrap_or_default();
    format!("{}*", text::name(start))
}
