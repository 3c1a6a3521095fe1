//! References to the Secrets of the pod's classes (`secretKeyRef`, `envFrom`): the chosen containers get the values as
//! variables, and the Secrets are not needed.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Pod};
use provider_class::VariableName;

use super::container::{ContainerPlan, Unfit};
use super::secrets::ServedSecrets;
use super::{PlannedVariable, PlannedVariables, source};
use crate::pod::annotations::{CONTAINERS, ENV_METHOD, PREFIX, PodRequest, SECRET_OBJECTS};
use crate::pod::bounds::{TooMany, check_keys};
use crate::pod::conflict::Conflict;
use crate::pod::secrets::{PodSecret, PodSecrets};
use crate::pod::snapshot_size;
use crate::pod::view;

/// A reference to a key that the class does not give to the Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "container {container:?} sets the variable {variable:?} to the key {key:?} of the Secret {secret:?}, but class {class:?} gives that Secret only the keys {keys}: correct the key, or add it to the class's secretObjects"
)]
pub struct NoSuchKey {
    container: String,
    variable: String,
    secret: String,
    key: String,
    class: String,
    keys: String,
}

/// Why the references of a pod cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableReference {
    /// The class does not give the Secret this key.
    #[error(transparent)]
    NoSuchKey(Box<NoSuchKey>),
    /// Two classes describe one Secret.
    #[error(
        "container {container:?} refers to the Secret {secret:?}, which the classes {class:?} and {other:?} both describe in secretObjects: rename it in one of them"
    )]
    TwoClasses {
        /// The container.
        container: String,
        /// The Secret.
        secret: String,
        /// A class.
        class: String,
        /// The other one.
        other: String,
    },
    /// More than the injector can be told.
    #[error(
        "the keys of Secrets that the pod's containers refer to take {bytes} bytes in an environment variable of the injector, which can hold at most {}: use fewer",
        snapshot_size::MOST
    )]
    TooLarge {
        /// Their size.
        bytes: usize,
    },
    /// More than a pod can have.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The container cannot have the variables.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

/// Does a container that gets the files refer to a Secret that could be served?
pub(crate) fn exist(request: &PodRequest, pod: &Pod, secrets: &PodSecrets<'_>) -> bool {
    if secrets.is_empty() {
        return false;
    }
    request.chosen(pod).any(|container| {
        source::secrets(container).any(|(name, _)| {
            secrets
                .get(name)
                .is_some_and(|of_pod| !of_pod.secret.is_tls())
        })
    })
}

/// Adds the Secrets that the pod's containers refer to. Returns a warning for each reference that stays.
pub(crate) fn serve(
    request: &PodRequest,
    pod: &Pod,
    secrets: &PodSecrets<'_>,
    variables: &mut Option<PlannedVariables>,
) -> Result<Vec<String>, UnusableReference> {
    if secrets.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Found::default();
    for container in view::containers(pod) {
        found.look(request, container, secrets)?;
    }
    if !found.served.is_empty() {
        let method = request.env_method.unwrap_or_default();
        let planned = variables.get_or_insert_with(|| PlannedVariables::none(method));
        planned.secrets = found.served;
    }
    Ok(found.warnings)
}

/// Plans the containers of a pod, and tells the injector the keys that they use.
pub(crate) fn plan_containers(
    request: &PodRequest,
    pod: &Pod,
    variables: &mut Option<PlannedVariables>,
    warnings: &mut Vec<String>,
) -> Result<Vec<ContainerPlan>, UnusableReference> {
    let mut plans = Vec::new();
    let mut keys: BTreeMap<VariableName, bool> = BTreeMap::new();
    for container in view::containers(pod) {
        let is_chosen = request.chooses(container);
        let Some(planned) = variables.as_ref().filter(|_| is_chosen) else {
            plans.push(ContainerPlan {
                is_chosen,
                ..ContainerPlan::default()
            });
            continue;
        };
        // One that mounts no files gets what it refers to, and nothing else.
        let only_references;
        let planned = if request.reads(container) || planned.variables.is_empty() {
            planned
        } else {
            only_references = PlannedVariables {
                variables: Vec::new(),
                ..planned.clone()
            };
            &only_references
        };
        let plan = ContainerPlan::new(container, planned)?;
        if let Some(unfit) = plan.unfit
            && let Some(secret) = refers_to(container, &planned.secrets)
        {
            warnings.push(kept(container, secret, &reason(unfit)));
        }
        for (key, is_required) in &plan.keys {
            *keys.entry(key.clone()).or_default() |= is_required;
        }
        plans.push(plan);
    }
    let have_served = plans.iter().any(|plan| plan.has_served);
    variables.take_if(|planned| !have_served && planned.variables.is_empty());
    if let Some(planned) = variables {
        planned.add_keys(&keys)?;
    }
    Ok(plans)
}

impl PlannedVariables {
    /// Adds keys of Secrets, with whether they are required.
    fn add_keys(&mut self, keys: &BTreeMap<VariableName, bool>) -> Result<(), UnusableReference> {
        for (name, is_required) in keys {
            let variable = self.secrets.variable(name);
            self.keys.extend(variable.map(|variable| PlannedVariable {
                is_optional: !is_required,
                ..variable.clone()
            }));
        }
        let bytes = self.bytes();
        if bytes > snapshot_size::MOST {
            return Err(UnusableReference::TooLarge { bytes });
        }
        Ok(())
    }
}

/// What the containers refer to.
#[derive(Default)]
struct Found {
    served: ServedSecrets,
    warnings: Vec<String>,
    /// Keys of all `envFrom` together.
    keys: usize,
}

impl Found {
    /// Looks at the references of one container.
    fn look(
        &mut self,
        request: &PodRequest,
        container: &Container,
        secrets: &PodSecrets<'_>,
    ) -> Result<(), UnusableReference> {
        let mut kept_names = BTreeSet::new();
        for (name, reference) in source::secrets(container) {
            let Some(of_pod) = secrets.get(name) else {
                continue;
            };
            if let Some(reason) = stays(request, container, of_pod) {
                if kept_names.insert(name) {
                    self.warnings.push(kept(container, name, &reason));
                }
                continue;
            }
            if let Some(other) = of_pod.other_class {
                return Err(UnusableReference::TwoClasses {
                    container: container.name.clone(),
                    secret: name.to_owned(),
                    class: of_pod.class.to_owned(),
                    other: other.to_owned(),
                });
            }
            match reference {
                None => self.keys += of_pod.secret.data.len(),
                Some((_, reference)) if reference.optional => {}
                Some((variable, reference)) => {
                    check_key(container, variable, reference.key, of_pod)?;
                }
            }
            check_keys(self.keys)?;
            if self.served.get(name).is_none() {
                self.served.add(of_pod);
            }
        }
        Ok(())
    }
}

/// Why a reference stays as it is, whatever the method.
fn stays(request: &PodRequest, container: &Container, of_pod: PodSecret<'_>) -> Option<String> {
    if !request.chooses(container) {
        return Some(format!(
            "the annotation {PREFIX}{CONTAINERS} leaves the container out"
        ));
    }
    of_pod.secret.is_tls().then(|| {
        let file = of_pod.secret.data.first();
        let file = file.map_or_else(String::new, |data| data.file.to_string());
        format!(
            "each key of a Secret of type kubernetes.io/tls is a part of a file; read the file {}",
            of_pod.place(&file)
        )
    })
}

fn check_key(
    container: &Container,
    variable: &str,
    key: &str,
    of_pod: PodSecret<'_>,
) -> Result<(), UnusableReference> {
    const MOST_LISTED: usize = 20;
    if of_pod.secret.key(key).is_some() {
        return Ok(());
    }
    let keys = of_pod.secret.data.iter().take(MOST_LISTED);
    let keys: Vec<&str> = keys.map(|data| data.key.as_str()).collect();
    Err(UnusableReference::NoSuchKey(Box::new(NoSuchKey {
        container: container.name.clone(),
        variable: variable.to_owned(),
        secret: of_pod.secret.name.to_string(),
        key: key.to_owned(),
        class: of_pod.class.to_owned(),
        keys: keys.join(", "),
    })))
}

/// The first served Secret that a container refers to.
fn refers_to<'a>(container: &'a Container, served: &ServedSecrets) -> Option<&'a str> {
    let mut names = source::secrets(container).map(|(name, _)| name);
    names.find(|name| served.get(name).is_some())
}

/// Why the method cannot serve a container. Without the annotation, `exec` is used only on old clusters.
fn reason(unfit: Unfit) -> String {
    match unfit {
        Unfit::NoCommand => format!(
            "{ENV_METHOD} kubelet needs Kubernetes 1.35 or later on every node, and {ENV_METHOD} exec needs the container's command: set command in the container"
        ),
        Unfit::Expansion => format!(
            "its env, command or args use it as $(NAME), which {ENV_METHOD} exec does not support; {ENV_METHOD} kubelet needs Kubernetes 1.35 or later on every node"
        ),
    }
}

/// The warning about a reference that stays.
fn kept(container: &Container, secret: &str, reason: &str) -> String {
    format!(
        "container {:?} refers to the Secret {secret:?}, which the annotation {PREFIX}{SECRET_OBJECTS}: env does not create, so the container starts only if somebody else creates it: {reason}",
        container.name
    )
}
