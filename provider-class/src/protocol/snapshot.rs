//! What the webhook passes to the injector: the classes of a pod as they were at its admission.
//!
//! The snapshot holds the parameters as the user wrote them, not what was parsed from them, so that webhook and
//! injector of different releases understand each other, and `kubectl describe pod` shows the user's own words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::SecretProviderClassSpec;

/// The environment variable of the injected container that carries a [`Snapshot`] as JSON.
pub const SNAPSHOT_VARIABLE: &str = "SECRET_PROVIDER_CLASSES";

/// The classes of one pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Snapshot {
    /// In the order in which the pod's annotation names them.
    pub classes: Vec<SnapshotClass>,
}

/// One class of a pod.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotClass {
    /// The class's name, for messages.
    pub name: String,
    /// The directory for its files, an absolute path in the injected container.
    pub mount_path: String,
    /// `spec.parameters` of the class.
    pub parameters: BTreeMap<String, String>,
    /// `spec.secretObjects`, only where the injector is to apply them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_objects: Vec<serde_json::Value>,
}

impl Snapshot {
    /// The value of [`SNAPSHOT_VARIABLE`].
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| {
            unreachable!("maps with string keys and strings always serialize to JSON")
        })
    }

    /// Reads the value of [`SNAPSHOT_VARIABLE`]; the error is JSON's, with line and column.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

impl SnapshotClass {
    /// The class's `spec`, to be parsed with [`Class::parse`](crate::Class::parse).
    pub fn spec(&self) -> SecretProviderClassSpec {
        SecretProviderClassSpec {
            secret_objects: self.secret_objects.clone(),
            ..SecretProviderClassSpec::aws(self.parameters.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was() {
        let snapshot = Snapshot {
            classes: vec![SnapshotClass {
                name: "db".into(),
                mount_path: "/mnt/secrets-store".into(),
                parameters: [("objects".into(), "- objectName: \"é\\n\"\n".into())].into(),
                secret_objects: vec![serde_json::json!({"secretName": "x"})],
            }],
        };
        assert_eq!(Snapshot::from_json(&snapshot.to_json()).unwrap(), snapshot);
    }

    #[test]
    fn names_the_column_of_a_broken_one() {
        let error = Snapshot::from_json("[{\"name\": 1}]").unwrap_err();
        assert!(error.to_string().contains("line 1 column"), "{error}");
    }
}
