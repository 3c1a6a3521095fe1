//! What has been read of a pod's annotations so far.

use std::collections::BTreeSet;

use super::table::{CPU_REQUEST, Draft, MEMORY_REQUEST, SECRET_PROVIDER_CLASS};
use super::{
    ClassMount, DEFAULT_MOUNT_PATH, InvalidAnnotation, OBJECTS, ON_REFRESH, PARAMETERS, PREFIX,
    PodRequest, REFRESH_INTERVAL, REFRESH_METRICS_PORT, Refresh, RequestedClass, Resources,
};
use crate::pod::quantity::amount;

impl Draft {
    /// What the pod requests, without warnings about annotations that it does not know; or every contradiction.
    pub(super) fn finish(self) -> Result<PodRequest, Vec<InvalidAnnotation>> {
        let classes = self.class_mounts();
        let mut errors = Vec::new();
        errors.extend(duplicate(&classes).or_else(|| nested(&classes)));
        errors.extend(self.request.resources.above_limit());
        if !errors.is_empty() {
            return Err(errors);
        }
        let warnings = self.without_effect();
        let (on_refresh, metrics_port) = (self.on_refresh, self.metrics_port);
        Ok(PodRequest {
            classes,
            refresh: self.refresh_interval.map(|interval| Refresh {
                interval,
                on_refresh,
                metrics_port,
            }),
            warnings,
            ..self.request
        })
    }

    fn class_mounts(&self) -> Vec<ClassMount> {
        let default = self.mount_path.as_deref().unwrap_or(DEFAULT_MOUNT_PATH);
        let named = self.classes.iter().map(|(class, path)| ClassMount {
            class: class.clone(),
            mount_path: path.as_deref().unwrap_or(default).to_owned(),
            volume: None,
        });
        let annotated = self.objects.iter().map(|objects| {
            let mut parameters = self.parameters.clone().unwrap_or_default();
            parameters.insert(OBJECTS.to_owned(), objects.clone());
            ClassMount {
                class: RequestedClass::Annotated(parameters),
                mount_path: default.to_owned(),
                volume: None,
            }
        });
        named.chain(annotated).collect()
    }

    /// A warning for each annotation that only changes what another one requests, where that is missing.
    fn without_effect(&self) -> Vec<String> {
        let refreshes = self.refresh_interval.is_some();
        let mut warnings = Vec::new();
        for (name, is_written) in [
            (ON_REFRESH, self.on_refresh.is_some()),
            (REFRESH_METRICS_PORT, self.metrics_port.is_some()),
        ] {
            if is_written && !refreshes {
                warnings.push(without_effect(name, REFRESH_INTERVAL));
            }
        }
        if self.parameters.is_some() && self.objects.is_none() {
            warnings.push(without_effect(PARAMETERS, OBJECTS));
        }
        warnings
    }
}

/// The warning of an annotation that only changes what another one requests.
pub(crate) fn without_effect(name: &str, other: &str) -> String {
    format!("annotation {PREFIX}{name} has no effect without {PREFIX}{other}")
}

impl Resources {
    /// Requests above their limits.
    fn above_limit(&self) -> Vec<InvalidAnnotation> {
        let mut errors = Vec::new();
        for (name, request, limit) in [
            (CPU_REQUEST, &self.cpu_request, &self.cpu_limit),
            (MEMORY_REQUEST, &self.memory_request, &self.memory_limit),
        ] {
            if let (Some(request), Some(limit)) = (request, limit)
                && amount(request) > amount(limit)
            {
                errors.push(InvalidAnnotation {
                    name,
                    reason: format!("{} is more than the limit {}", request.0, limit.0),
                });
            }
        }
        errors
    }
}

fn invalid_classes(reason: String) -> InvalidAnnotation {
    InvalidAnnotation {
        name: SECRET_PROVIDER_CLASS,
        reason,
    }
}

/// A class that goes to one directory twice.
fn duplicate(mounts: &[ClassMount]) -> Option<InvalidAnnotation> {
    let mut seen = BTreeSet::new();
    for mount in mounts {
        if !seen.insert((&mount.class, &mount.mount_path)) {
            return Some(invalid_classes(format!(
                "names {:?} twice",
                mount.class.name()
            )));
        }
    }
    None
}

/// A directory inside another one.
fn nested(mounts: &[ClassMount]) -> Option<InvalidAnnotation> {
    let mut paths: Vec<&str> = mounts
        .iter()
        .map(|mount| mount.mount_path.as_str())
        .collect();
    // By parts: what is inside a directory comes right behind it, and "/a-b" behind all of "/a".
    paths.sort_by(|one, other| one.split('/').cmp(other.split('/')));
    for pair in paths.windows(2) {
        let (outer, inner) = (pair[0], pair[1]);
        let rest = inner.strip_prefix(outer).unwrap_or_default();
        if rest.starts_with('/') {
            return Some(invalid_classes(format!(
                "{inner} is inside {outer}, which is read-only: mount them side by side"
            )));
        }
    }
    None
}
