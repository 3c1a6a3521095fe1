//! A container's references to keys of Secrets, and the variables that take their place.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvVar};
use provider_class::{EnvMethod, VariableName, variables::secret_key};

use super::exec::Exec;
use super::{PlannedVariables, Slot, is_of_volume, source};

/// A reference to a key of a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    pub(crate) secret: &'a str,
    pub(crate) key: &'a str,
    /// May the Secret or the key be missing?
    pub(crate) optional: bool,
}

/// Every Secret that a container's variables refer to, with the key if it is one key, and the variable's name; also after an
/// earlier pass.
pub(crate) fn references(container: &Container) -> Vec<(&str, Option<(&str, Reference<'_>)>)> {
    let mut found = Vec::new();
    for source in container.env_from.iter().flatten() {
        found.extend(
            source
                .secret_ref
                .as_ref()
                .map(|secret| (secret.name.as_str(), None)),
        );
    }
    for variable in container.env.iter().flatten() {
        let reference = source::key(variable);
        found.extend(
            reference
                .map(|reference| (reference.secret, Some((variable.name.as_str(), reference)))),
        );
    }
    for (name, reference) in assigned(&Exec::of(container)) {
        found.push((reference.secret, Some((name, reference))));
    }
    found
}

fn assigned<'a>(exec: &Exec<'a>) -> Vec<(&'a str, Reference<'a>)> {
    let mut found = Vec::new();
    for assigned in &exec.assigned {
        if let Some((secret, key)) = secret_key(assigned.key) {
            let reference = Reference {
                secret,
                key,
                optional: assigned.is_optional,
            };
            found.push((assigned.name, reference));
        }
    }
    found
}

/// A variable that `exec` sets to a key of a Secret.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) key: VariableName,
    /// Is there no variable where the key is missing?
    pub(super) is_optional: bool,
}

/// The references of a container: those that are served, and those that stay.
#[derive(Debug, Default)]
pub(super) struct References {
    /// The container's `env`, without the variables of the annotation.
    pub(super) env: Vec<Slot>,
    /// The variables that `exec` sets.
    pub(super) assigned: Vec<Assignment>,
    /// The sources of `envFrom` that the above replace.
    pub(super) replaced_sources: Vec<usize>,
    /// The keys that are used.
    pub(super) keys: BTreeSet<VariableName>,
    method: EnvMethod,
}

impl References {
    /// Serves the references that `served` has the Secrets of; `planned` has the pod's other variables.
    pub(super) fn of(
        container: &Container,
        exec: &Exec<'_>,
        own: &BTreeSet<&str>,
        planned: Option<&PlannedVariables>,
        served: Option<&PlannedVariables>,
    ) -> Self {
        let mut references = Self {
            method: served.map_or(EnvMethod::Kubelet, |served| served.method),
            ..Self::default()
        };
        for (name, reference) in assigned(exec) {
            references.put(name, reference, served);
        }
        references.put_sources(container, own, planned, served);
        for (index, variable) in container.env.iter().flatten().enumerate() {
            references.put_own(index, variable, served);
        }
        references
    }

    /// One variable for each key of the Secrets in `envFrom`. A later source takes precedence, and so do the variables of `env`
    /// and of the annotation.
    fn put_sources(
        &mut self,
        container: &Container,
        own: &BTreeSet<&str>,
        planned: Option<&PlannedVariables>,
        served: Option<&PlannedVariables>,
    ) {
        let mut variables: BTreeMap<VariableName, (VariableName, bool)> = BTreeMap::new();
        for (index, source) in container.env_from.iter().flatten().enumerate() {
            let Some(from) = &source.secret_ref else {
                continue;
            };
            let Some(secret) = served.and_then(|served| served.secrets.get(&from.name)) else {
                continue;
            };
            self.replaced_sources.push(index);
            let prefix = source.prefix.as_deref().unwrap_or_default();
            for (key, served) in &secret.keys {
                // Kubernetes leaves out keys that are no variable names, too.
                if let Ok(name) = format!("{prefix}{key}").parse() {
                    // A Secret would not have the key of a missing object either, and `envFrom` takes what is there.
                    let optional = from.optional.unwrap_or_default() || served.is_optional;
                    variables.insert(name, (served.name.clone(), optional));
                }
            }
        }
        let given = planned.iter().flat_map(|planned| &planned.variables);
        let given: BTreeSet<&VariableName> = given.map(|variable| &variable.name).collect();
        for (name, (key, optional)) in variables {
            if !own.contains(name.as_str()) && !given.contains(&name) {
                self.serve(name.as_str(), key, optional);
            }
        }
    }

    /// A variable of the container's `env`.
    fn put_own(&mut self, index: usize, variable: &EnvVar, served: Option<&PlannedVariables>) {
        let is_of_volume = is_of_volume(variable);
        match source::key(variable) {
            Some(reference) => {
                let key = served.and_then(|served| served.secrets.key(reference));
                match key {
                    Some(key) => self.serve(&variable.name, key.clone(), reference.optional),
                    None if is_of_volume => self.restore(&variable.name, reference),
                    None => self.env.push(Slot::Own(index)),
                }
            }
            // A variable of the annotation, from an earlier pass.
            None if is_of_volume => {}
            None => self.env.push(Slot::Own(index)),
        }
    }

    fn put(&mut self, name: &str, reference: Reference<'_>, served: Option<&PlannedVariables>) {
        match served.and_then(|served| served.secrets.key(reference)) {
            Some(key) => self.serve(name, key.clone(), reference.optional),
            None => self.restore(name, reference),
        }
    }

    fn serve(&mut self, name: &str, key: VariableName, optional: bool) {
        match self.method {
            EnvMethod::Kubelet => {
                let variable = source::served(name, &key, optional);
                self.env.push(Slot::Injected(variable.into()));
            }
            EnvMethod::Exec => self.assigned.push(Assignment {
                name: name.to_owned(),
                key: key.clone(),
                is_optional: optional,
            }),
        }
        self.keys.insert(key);
    }

    fn restore(&mut self, name: &str, reference: Reference<'_>) {
        let variable = source::of_secret(name, reference);
        self.env.push(Slot::Injected(variable.into()));
    }
}
