//! Reviews of SecretProviderClasses: a class that no pod could use is refused when it is applied, not when a pod starts.

use kube::ResourceExt as _;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, Operation};
use provider_class::{ClassError, ResolveError};
use serde_json::value::RawValue;

use crate::admission::names;
use crate::admission::refusal::class_message;
use crate::admission::response::{Outcome, refused, with_warnings};
use crate::cluster::classes::{StoredClass, UnusableClass, read};
use crate::cluster::lookup::Deadline;
use crate::cluster::objects::ClassObject;
use crate::cluster::region::DefaultRegion;
use crate::pod::annotations::DEFAULT_MOUNT_PATH;
use crate::pod::snapshot_size;
use crate::text;

/// HTTP 422, as for any other object that breaks its schema.
const UNPROCESSABLE: u16 = 422;

/// Answers one review, and says what became of it.
pub(crate) async fn answer(
    region: &DefaultRegion,
    request: &AdmissionRequest<ClassObject>,
) -> (AdmissionResponse, Outcome) {
    let response = AdmissionResponse::from(request);
    let is_written = matches!(request.operation, Operation::Create | Operation::Update);
    let Some(class) = request.object.as_ref().filter(|_| is_written) else {
        return (response, Outcome::Allowed);
    };
    let name = class.name_any();
    // What the log has of them; the sender may have written anything.
    let (uid, logged) = (text::name(&request.uid), text::name(&name));
    let namespace = match names::namespace(request, class) {
        Ok(namespace) => namespace,
        Err(bad) => {
            let outcome = Outcome::Refused("invalid-name");
            return (refused(response, UNPROCESSABLE, &bad.to_string()), outcome);
        }
    };
    let namespace = namespace.as_str();
    match check(&name, class.spec.as_deref(), region).await {
        Ok(warnings) => (with_warnings(response, &warnings), Outcome::Allowed),
        Err(problems) if is_older_mistake(request) => {
            tracing::info!(
                namespace,
                class = logged,
                "was invalid before; the spec has not changed"
            );
            let warnings: Vec<_> = problems.lines().map(str::to_owned).collect();
            (with_warnings(response, &warnings), Outcome::Allowed)
        }
        Err(problems) => {
            tracing::warn!(uid, namespace, class = logged, "refused: {problems}");
            (
                refused(response, UNPROCESSABLE, &problems),
                Outcome::Refused("invalid-class"),
            )
        }
    }
}

/// What is doubtful about a class, or everything that is wrong with it. Of other providers' classes nothing is said.
async fn check(
    name: &str,
    spec: Option<&RawValue>,
    region: &DefaultRegion,
) -> Result<Vec<String>, String> {
    let StoredClass {
        class, parameters, ..
    } = match read(name, spec) {
        Ok(stored) => stored,
        // No pod can have it, so nothing in it matters yet.
        Err(UnusableClass::TooLarge { bytes }) => return Ok(vec![too_large(name, bytes)]),
        Err(UnusableClass::Malformed(reason)) => {
            return Err(text::line(&format!("class {name:?}: {reason}")));
        }
        Err(UnusableClass::Invalid(error)) => match &*error {
            ClassError::OtherProvider { .. } => return Ok(Vec::new()),
            // Kubernetes stores it without a word, and no provider serves it.
            ClassError::NoProvider { .. } => return Ok(vec![error.to_string()]),
            ClassError::Invalid(invalid) => return Err(class_message(invalid)),
        },
    };
    let bytes = snapshot_size::bytes(name, DEFAULT_MOUNT_PATH, &parameters);
    if bytes > snapshot_size::MOST {
        return Ok(vec![too_large(name, bytes)]);
    }
    let mut warnings: Vec<String> = class
        .warnings
        .iter()
        .map(|warning| format!("class {name:?}: {warning}"))
        .collect();
    let default = match region.of(&class, Deadline::start()).await {
        Ok(default) => default,
        // Pods are told again, and may come when nodes can be listed.
        Err(error) => {
            warnings.push(format!("class {name:?}: {error}"));
            return Ok(warnings);
        }
    };
    match class.resolve_region(default.as_ref()) {
        Ok(_) => {}
        // The default region may be set later.
        Err(error @ ResolveError::NoRegion(_)) => warnings.push(error.to_string()),
        Err(ResolveError::Invalid(invalid)) => return Err(class_message(&invalid)),
    }
    Ok(warnings)
}

/// A warning of a class that the injector could not be given. The Secrets Store CSI Driver may mount it still.
fn too_large(name: &str, bytes: usize) -> String {
    format!(
        "class {name:?}: takes {bytes} bytes in the injector's environment variable, which can hold at most {}: pods that use it are refused and its objects were not checked; split it into smaller classes",
        snapshot_size::MOST
    )
}

/// Labels, finalizers and the like of an object can be changed whatever its spec is, or it could not even be deleted.
fn is_older_mistake(request: &AdmissionRequest<ClassObject>) -> bool {
    let (Some(old), Some(new)) = (&request.old_object, &request.object) else {
        return false;
    };
    let text = |class: &ClassObject| class.spec.as_ref().map(|spec| spec.get().to_owned());
    request.operation == Operation::Update && text(new) == text(old)
}
