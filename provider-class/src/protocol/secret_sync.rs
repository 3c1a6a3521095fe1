//! What the webhook tells the injector about Kubernetes Secrets: that they are to be applied, and what owns them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The environment variable of the injected containers that carries [`SecretSync`] as JSON; set only where Secrets are applied.
pub const SYNC_VARIABLE: &str = "SECRET_SYNC";
/// The token for the API server, in [`SecretSync::directory`].
pub const API_TOKEN_FILE: &str = "token";
/// The CA certificates of the API server, in [`SecretSync::directory`].
pub const API_CA_FILE: &str = "ca.crt";

/// How Secrets are applied.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretSync {
    /// The directory with the token and the CA certificates, an absolute path.
    pub directory: String,
    /// What controls the pod and owns the Secrets; the pod itself if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// By class, its `resourceVersion`: a later state of a class has a higher one, also if it was deleted and created again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, u64>,
}

/// The owner of a Secret: the garbage collector removes the Secret with its last owner.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl SecretSync {
    /// The value of [`SYNC_VARIABLE`].
    pub fn to_json(&self) -> String {
        serde_json::to_string(self)
            .unwrap_or_else(|_| unreachable!("structs of strings always serialize to JSON"))
    }

    /// Reads the value of [`SYNC_VARIABLE`].
    ///
    /// # Errors
    /// JSON's, with line and column.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was() {
        let mut sync = SecretSync {
            directory: "/var/run".to_owned(),
            owner: None,
            versions: BTreeMap::new(),
        };
        assert_eq!(sync.to_json(), r#"{"directory":"/var/run"}"#);
        sync.owner = Some(Owner {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            name: "web-1".to_owned(),
            uid: "1-2".to_owned(),
        });
        sync.versions.insert("db".to_owned(), 7);
        assert_eq!(SecretSync::from_json(&sync.to_json()).unwrap(), sync);
    }
}
