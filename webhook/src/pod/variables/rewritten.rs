//! A container's references to keys of Secrets, and the variables that take their place.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvVar};
use provider_class::{EnvMethod, VariableName};

use super::PlannedVariables;
use super::exec::Assignment;
use super::source::{from_file, reference};
use crate::pod::view::Slot;

/// The references of a container: those that are served, and those that stay.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// The container's `env`, without the variables of the annotation.
    pub(super) env: Vec<Slot<EnvVar>>,
    /// The variables that `exec` sets.
    pub(super) assigned: Vec<Assignment>,
    /// The sources of `envFrom` that the above replace.
    pub(super) replaced_sources: Vec<usize>,
    /// The keys that are used, and whether one of the references requires the key.
    pub(super) keys: BTreeMap<VariableName, bool>,
    /// Was there a reference to serve?
    pub(super) has_served: bool,
    method: EnvMethod,
}

impl Rewritten {
    /// Serves the references to the planned Secrets.
    pub(super) fn new(
        container: &Container,
        own: &BTreeSet<&str>,
        planned: &PlannedVariables,
    ) -> Self {
        let mut rewritten = Self {
            method: planned.method,
            ..Self::default()
        };
        rewritten.put_sources(container, own, planned);
        let environment = container.env.iter().flatten().enumerate();
        let last: BTreeMap<&str, usize> = environment
            .clone()
            .map(|(index, variable)| (variable.name.as_str(), index))
            .collect();
        for (index, variable) in environment {
            let is_last = last.get(variable.name.as_str()) == Some(&index);
            rewritten.put_own(index, variable, is_last, planned);
        }
        rewritten
    }

    /// One variable for each key of the Secrets in `envFrom`. A later source takes precedence, and so do the variables of `env`
    /// and of the annotation.
    fn put_sources(
        &mut self,
        container: &Container,
        own: &BTreeSet<&str>,
        planned: &PlannedVariables,
    ) {
        let mut variables: BTreeMap<String, (VariableName, bool)> = BTreeMap::new();
        for (index, source) in container.env_from.iter().flatten().enumerate() {
            let Some(from) = &source.secret_ref else {
                continue;
            };
            let Some(secret) = planned.secrets.get(&from.name) else {
                continue;
            };
            self.replaced_sources.push(index);
            self.has_served = true;
            let prefix = source.prefix.as_deref().unwrap_or_default();
            for (key, served) in &secret.keys {
                // A Secret would not have the key of a missing object either, and `envFrom` takes what is there.
                let optional = from.optional.unwrap_or_default() || served.is_optional;
                variables.insert(format!("{prefix}{key}"), (served.name.clone(), optional));
            }
        }
        let given = planned.variables.iter();
        let given: BTreeSet<&str> = given.map(|variable| variable.name.as_str()).collect();
        for (name, (key, optional)) in variables {
            if !own.contains(name.as_str()) && !given.contains(name.as_str()) {
                self.serve(&name, key, optional);
            }
        }
    }

    /// A variable of the container's `env`. The last one of a name takes precedence, also over what `exec` would set after it.
    fn put_own(
        &mut self,
        index: usize,
        variable: &EnvVar,
        is_last: bool,
        planned: &PlannedVariables,
    ) {
        let served = reference(variable).and_then(|reference| {
            let key = planned.secrets.key(reference)?;
            Some((key.clone(), reference.optional))
        });
        match served {
            Some(_) if self.method == EnvMethod::Exec && !is_last => self.has_served = true,
            Some((key, is_optional)) => self.serve(&variable.name, key, is_optional),
            None => self.env.push(Slot::Own(index)),
        }
    }

    fn serve(&mut self, name: &str, key: VariableName, is_optional: bool) {
        *self.keys.entry(key.clone()).or_default() |= !is_optional;
        self.has_served = true;
        match self.method {
            EnvMethod::Kubelet => {
                let variable = from_file(name, &key, is_optional);
                self.env.push(Slot::Injected(variable));
            }
            EnvMethod::Exec => self.assigned.push(Assignment {
                name: name.to_owned(),
                key,
                is_optional,
            }),
        }
    }
}
