//! A container's references to keys of Secrets, and the variables that take their place.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvVar};
use provider_class::{EnvMethod, VariableName};

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

/// A Secret, and for a reference to one key, the variable's name and the reference.
pub(crate) type Referred<'a> = (&'a str, Option<(Cow<'a, str>, Reference<'a>)>);

/// Every Secret that a container's variables refer to, with the key if it is one key, and the variable's name; also after an
/// earlier pass.
pub(crate) fn references(container: &Container) -> Vec<Referred<'_>> {
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
        found.extend(reference.map(|reference| {
            let name = Cow::from(variable.name.as_str());
            (reference.secret, Some((name, reference)))
        }));
    }
    for assigned in Exec::of(container).assigned {
        let reference = assigned.reference;
        found.push((reference.secret, Some((assigned.name, reference))));
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
    /// The keys that are used, and whether one of the references requires the key.
    pub(super) keys: BTreeMap<VariableName, bool>,
    /// Was there a reference to serve?
    pub(super) are_served: bool,
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
        for assigned in &exec.assigned {
            references.put(&assigned.name, assigned.reference, served);
        }
        references.put_sources(container, own, planned, served);
        let environment = container.env.iter().flatten().enumerate();
        let last: BTreeMap<&str, usize> = environment
            .clone()
            .map(|(index, variable)| (variable.name.as_str(), index))
            .collect();
        for (index, variable) in environment {
            let is_last = last.get(variable.name.as_str()) == Some(&index);
            references.put_own(index, variable, is_last, served);
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
        let mut variables: BTreeMap<String, (VariableName, bool)> = BTreeMap::new();
        for (index, source) in container.env_from.iter().flatten().enumerate() {
            let Some(from) = &source.secret_ref else {
                continue;
            };
            let Some(secret) = served.and_then(|served| served.secrets.get(&from.name)) else {
                continue;
            };
            self.replaced_sources.push(index);
            self.are_served = true;
            let prefix = source.prefix.as_deref().unwrap_or_default();
            for (key, served) in &secret.keys {
                // A Secret would not have the key of a missing object either, and `envFrom` takes what is there.
                let optional = from.optional.unwrap_or_default() || served.is_optional;
                variables.insert(format!("{prefix}{key}"), (served.name.clone(), optional));
            }
        }
        let given = planned.iter().flat_map(|planned| &planned.variables);
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
        served: Option<&PlannedVariables>,
    ) {
        let is_of_volume = is_of_volume(variable);
        match source::key(variable) {
            Some(reference) => {
                let key = served.and_then(|served| served.secrets.key(reference));
                match key {
                    Some(_) if self.method == EnvMethod::Exec && !is_last => self.are_served = true,
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
        *self.keys.entry(key).or_default() |= !optional;
        self.are_served = true;
    }

    fn restore(&mut self, name: &str, reference: Reference<'_>) {
        let variable = source::of_secret(name, reference);
        self.env.push(Slot::Injected(variable.into()));
    }
}
