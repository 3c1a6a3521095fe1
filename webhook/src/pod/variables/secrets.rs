//! Secrets whose keys are served as variables.

use std::collections::BTreeMap;

use provider_class::{Presence, VariableName};

use super::PlannedVariable;
use super::source::Reference;
use crate::pod::secrets::PodSecret;

/// The Secrets of the pod's classes that its containers refer to, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedSecrets(BTreeMap<String, ServedSecret>);

/// A Secret, and the variable of each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServedSecret {
    pub(super) keys: BTreeMap<String, PlannedVariable>,
}

impl ServedSecrets {
    pub(super) fn add(&mut self, of_pod: PodSecret<'_>) {
        let secret = of_pod.secret;
        let mut keys = BTreeMap::new();
        for data in &secret.data {
            // Names and keys of Secrets have no other characters than names of variables.
            let Ok(name) = VariableName::of_secret_key(secret.name.as_str(), &data.key) else {
                continue;
            };
            let variable = PlannedVariable {
                name,
                mount_path: of_pod.mount_path.to_owned(),
                file: data.file.to_string(),
                is_of_star: false,
                is_optional: data.presence == Presence::Optional,
            };
            keys.insert(data.key.clone(), variable);
        }
        self.0
            .insert(secret.name.to_string(), ServedSecret { keys });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&ServedSecret> {
        self.0.get(name)
    }

    /// The name of a key in the file of variables.
    pub(super) fn key(&self, reference: Reference<'_>) -> Option<&VariableName> {
        let variable = self.get(reference.secret)?.keys.get(reference.key)?;
        Some(&variable.name)
    }

    /// The variable of this name.
    pub(super) fn variable(&self, name: &VariableName) -> Option<&PlannedVariable> {
        let (secret, key) = name.secret_key()?;
        self.get(secret)?.keys.get(key)
    }
}
