//! Annotations for pods that request secrets and do not set them: from the chart, and from the pod's Namespace, which goes before it.
//! The webhook writes them to the pod, so that they show what holds, and hold for all who look at the pod later.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use k8s_openapi::api::core::v1::Pod;
use provider_class::{Namespace, annotated};
use serde_json::json;

use crate::admission::admitted::Admitted;
use crate::admission::refusal::Refusal;
use crate::pod::annotations::{ANNOTATIONS, CLASSES, PREFIX, PodRequest, may_have_default};

/// Annotations, without their prefix.
type Values = BTreeMap<String, String>;

/// The chart's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defaults(Values);

impl FromStr for Defaults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let values = annotated::map(text, "annotations, such as \"refresh-interval: 1h\"")?;
        let mut names = values.keys();
        if let Some(name) = names.find(|name| !may_have_default(name)) {
            let known = ANNOTATIONS.iter().map(|known| known.name);
            let known: Vec<_> = known.filter(|name| may_have_default(name)).collect();
            return Err(format!(
                "{name:?} is not an annotation that can have a default: use {}",
                known.join(", ")
            ));
        }
        // As a pod's own annotations are checked.
        let annotations = values.iter();
        let mut annotations: BTreeMap<String, String> = annotations
            .map(|(name, value)| (format!("{PREFIX}{name}"), value.clone()))
            .collect();
        annotations.insert(CLASSES.to_owned(), "any".to_owned());
        PodRequest::read(&annotations).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            errors.join("; ")
        })?;
        Ok(Self(values))
    }
}

/// A pod with the annotations that it does not set itself.
pub(crate) struct Completed<'a> {
    /// The pod as it came, if nothing is to be added.
    pub(crate) pod: Cow<'a, Pod>,
    /// The names of these annotations, with their values and where these are from.
    added: Vec<(String, String, String)>,
}

impl Defaults {
    /// Adds what a pod does not say. `of_namespace` goes before the chart's.
    pub(crate) fn complete<'a>(
        &self,
        pod: &'a Pod,
        namespace: &Namespace,
        of_namespace: &Values,
    ) -> Completed<'a> {
        let mut completed = Completed {
            pod: Cow::Borrowed(pod),
            added: Vec::new(),
        };
        let from_namespace = format!("from the annotations of namespace {namespace:?}");
        let from_chart = "from the chart's defaults".to_owned();
        let all = of_namespace.iter().map(|value| (value, &from_namespace));
        for ((name, value), origin) in all.chain(self.0.iter().map(|value| (value, &from_chart))) {
            let name = format!("{PREFIX}{name}");
            let annotations = completed.pod.metadata.annotations.as_ref();
            if annotations.is_none_or(|annotations| !annotations.contains_key(&name)) {
                let metadata = &mut completed.pod.to_mut().metadata;
                let annotations = metadata.annotations.get_or_insert_default();
                annotations.insert(name.clone(), value.clone());
                completed.added.push((name, value.clone(), origin.clone()));
            }
        }
        completed
    }
}

impl Completed<'_> {
    /// The decision about the pod as it came: the patch writes the annotations, too, and a refusal says where those are from that it
    /// names.
    pub(crate) fn settle(
        self,
        pod: &Pod,
        admitted: Result<Admitted, Refusal>,
    ) -> Result<Admitted, Refusal> {
        match admitted {
            // Nothing is injected, so nothing is to be said.
            Ok(admitted) if admitted.classes.is_empty() => Ok(admitted),
            Ok(mut admitted) => {
                admitted.warnings.retain(|warning| {
                    let mut added = self.added.iter();
                    added.all(|(name, ..)| {
                        !warning.starts_with(&format!("annotation {name} has no effect"))
                    })
                });
                let mut operations = Vec::new();
                let mut add = |path: String, value: serde_json::Value| {
                    // The paths are written here, and names of annotations have no tilde.
                    let path = PointerBuf::parse(path).unwrap_or_default();
                    operations.push(PatchOperation::Add(AddOperation { path, value }));
                };
                if pod.metadata.annotations.is_none() && !self.added.is_empty() {
                    add("/metadata/annotations".to_owned(), json!({}));
                }
                for (name, value, _) in self.added {
                    add(
                        format!("/metadata/annotations/{}", name.replace('/', "~1")),
                        json!(value),
                    );
                }
                operations.append(&mut admitted.patch.0);
                admitted.patch = Patch(operations);
                Ok(admitted)
            }
            Err(refusal) => {
                let message = refusal.message();
                let named = self.added.iter();
                let named = named.filter(|(name, ..)| message.contains(name.as_str()));
                let origins: Vec<String> = named
                    .map(|(name, value, origin)| format!("{name}: {value:?} is {origin}"))
                    .collect();
                Err(if origins.is_empty() {
                    refusal
                } else {
                    Refusal::Defaulted {
                        refusal: Box::new(refusal),
                        origins: origins.join("; "),
                    }
                })
            }
        }
    }
}
