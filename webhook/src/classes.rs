//! Reviews of SecretProviderClasses: a class that no pod could use is refused when it is applied, not when a pod starts.

use kube::ResourceExt as _;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, Operation};
use provider_class::{Class, PROVIDER, SecretProviderClassSpec};

use crate::metrics::Outcome;
use crate::region::DefaultRegion;
use crate::review::{refused, with_warnings};
use crate::stores::ClassObject;

/// HTTP 422, as for any other object that breaks its schema.
const UNPROCESSABLE: u16 = 422;

/// Answers one review, and says what became of it.
pub(crate) async fn answer(
    region: &DefaultRegion,
    request: &AdmissionRequest<ClassObject>,
) -> (AdmissionResponse, Outcome) {
    let response = AdmissionResponse::from(request);
    let Some(class) = &request.object else {
        return (response, Outcome::Allowed);
    };
    if class.spec.provider.as_deref() != Some(PROVIDER) {
        return (response, Outcome::Allowed);
    }
    let (namespace, name) = (request.namespace.as_deref(), class.name_any());
    match check(&name, &class.spec, region).await {
        Ok(warnings) => (with_warnings(response, warnings), Outcome::Allowed),
        Err(problems) if is_older_mistake(request) => {
            tracing::info!(namespace, class = name, "invalid before and after");
            let warnings = problems.lines().map(str::to_owned).collect();
            (with_warnings(response, warnings), Outcome::Allowed)
        }
        Err(problems) => {
            let uid = request.uid.as_str();
            tracing::warn!(uid, namespace, class = name, "refused: {problems}");
            (
                refused(response, UNPROCESSABLE, &problems),
                Outcome::Refused("invalid-class"),
            )
        }
    }
}

/// What is doubtful about a class, or everything that is wrong with it.
async fn check(
    name: &str,
    spec: &SecretProviderClassSpec,
    region: &DefaultRegion,
) -> Result<Vec<String>, String> {
    let default = region.of(spec).await;
    let parsed = Class::parse(name, spec, default.as_ref()).map_err(|error| error.to_string())?;
    let mut warnings: Vec<String> = parsed
        .warnings
        .iter()
        .map(|warning| format!("class {name:?}: {warning}"))
        .collect();
    // The default region may be set later.
    warnings.extend(parsed.class.plan().err().map(|error| error.to_string()));
    Ok(warnings)
}

/// Labels, finalizers and the like of an object can be changed whatever its spec is, or it could not even be deleted.
fn is_older_mistake(request: &AdmissionRequest<ClassObject>) -> bool {
    let same_spec = |old: &ClassObject| {
        request
            .object
            .as_ref()
            .is_some_and(|new| new.spec == old.spec)
    };
    request.operation == Operation::Update && request.old_object.as_ref().is_some_and(same_spec)
}
