//! Variables whose source is the file of variables, or a key of a Secret.

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, FileKeySelector};
use provider_class::{ENV_FILE, VariableName};

use crate::pod::contract::{FILES, VARIABLES_VOLUME};

/// A reference to a key of a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) secret: &'a str,
    pub(super) key: &'a str,
    /// May the Secret or the key be missing?
    pub(super) optional: bool,
}

/// The key of a Secret that a variable refers to.
pub(super) fn reference(variable: &EnvVar) -> Option<Reference<'_>> {
    let source = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
    Some(Reference {
        secret: &source.name,
        key: &source.key,
        optional: source.optional.unwrap_or_default(),
    })
}

/// A variable with a value of the file of variables.
pub(super) fn from_file(name: &str, key: &VariableName, is_optional: bool) -> EnvVar {
    let file_key_ref = FileKeySelector {
        volume_name: VARIABLES_VOLUME.to_owned(),
        path: format!("{FILES}/{ENV_FILE}"),
        key: key.as_str().to_owned(),
        optional: is_optional.then_some(true),
    };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            file_key_ref: Some(file_key_ref),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

/// Every Secret that a container's variables refer to, with the variable's name and the reference if it is one to a key.
pub(super) fn secrets(
    container: &Container,
) -> impl Iterator<Item = (&str, Option<(&str, Reference<'_>)>)> {
    let sources = container.env_from.iter().flatten();
    let all_keys = sources.filter_map(|source| {
        let secret = source.secret_ref.as_ref()?;
        Some((secret.name.as_str(), None))
    });
    let variables = container.env.iter().flatten();
    all_keys.chain(variables.filter_map(|variable| {
        let reference = reference(variable)?;
        Some((reference.secret, Some((variable.name.as_str(), reference))))
    }))
}
