//! Variables whose source is the file of variables, or a key of a Secret.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, FileKeySelector, SecretKeySelector};
use provider_class::{ENV_FILE, VariableName};

use super::super::PlannedVariable;
use super::references::Reference;
use crate::pod::names::{FILES, VARIABLES_VOLUME};

/// Does the variable come from the volume of variables?
pub(crate) fn is_of_volume(variable: &EnvVar) -> bool {
    source(variable).is_some_and(|source| source.volume_name == VARIABLES_VOLUME)
}

/// Is it the same variable of the same file? The API server fills in `optional: false`.
pub(crate) fn is_same_variable(one: &EnvVar, other: &EnvVar) -> bool {
    let (Some(one_source), Some(other_source)) = (source(one), source(other)) else {
        return false;
    };
    one.name == other.name
        && one.value.as_deref().unwrap_or_default() == other.value.as_deref().unwrap_or_default()
        && one_source.path == other_source.path
        && one_source.key == other_source.key
        && one_source.volume_name == other_source.volume_name
        && one_source.optional.unwrap_or_default() == other_source.optional.unwrap_or_default()
}

fn source(variable: &EnvVar) -> Option<&FileKeySelector> {
    variable.value_from.as_ref()?.file_key_ref.as_ref()
}

/// A variable in the file of variables.
pub(super) fn of_file(variable: &PlannedVariable) -> EnvVar {
    let optional = variable.is_optional.then_some(true);
    from_file(variable.name.as_str(), &variable.name, optional)
}

/// A key of a Secret, from the file of variables.
pub(super) fn served(name: &str, key: &VariableName, optional: bool) -> EnvVar {
    from_file(name, key, optional.then_some(true))
}

fn from_file(name: &str, key: &VariableName, optional: Option<bool>) -> EnvVar {
    let file_key_ref = FileKeySelector {
        volume_name: VARIABLES_VOLUME.to_owned(),
        path: format!("{FILES}/{ENV_FILE}"),
        key: key.as_str().to_owned(),
        optional,
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

/// A key of a Secret, as the pod's author wrote it.
pub(super) fn of_secret(name: &str, reference: Reference<'_>) -> EnvVar {
    let secret_key_ref = SecretKeySelector {
        name: reference.secret.to_owned(),
        key: reference.key.to_owned(),
        optional: reference.optional.then_some(true),
    };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(secret_key_ref),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

/// The key of a Secret that a variable refers to, also after an earlier pass.
pub(super) fn key(variable: &EnvVar) -> Option<Reference<'_>> {
    let from = variable.value_from.as_ref()?;
    if let Some(source) = &from.secret_key_ref {
        return Some(Reference {
            secret: &source.name,
            key: &source.key,
            optional: source.optional.unwrap_or_default(),
        });
    }
    let source = source(variable).filter(|source| source.volume_name == VARIABLES_VOLUME)?;
    let (secret, key) = provider_class::variables::secret_key(&source.key)?;
    Some(Reference {
        secret,
        key,
        optional: source.optional.unwrap_or_default(),
    })
}
