//! `spec.secretObjects`: Kubernetes Secrets with the contents of a class's files.
//!
//! What goes in: the list as the API server holds it, and the files of the class. What comes out: Secrets that the API server
//! accepts, each key with an existing file.
//!
//! Source: <https://secrets-store-csi-driver.sigs.k8s.io/topics/sync-as-kubernetes-secret>.

mod read;
mod secret_type;
mod tls;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{FilePath, ObjectName, Presence};

pub(crate) use read::read;
pub use tls::TlsError;

/// A Kubernetes Secret, valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretObject {
    /// Its name.
    pub name: ObjectName,
    /// Its type, such as `Opaque`.
    pub secret_type: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its keys, each once and at least one.
    pub data: Vec<SecretKey>,
}

/// A key of a Secret, and the file with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKey {
    /// The key.
    pub key: String,
    /// The file of the class.
    pub file: FilePath,
    /// Whether the file may be missing. Then the Secret does not have the key.
    pub presence: Presence,
}

impl SecretObject {
    /// Is each value a part of a file with certificates and their private key, and not the whole file?
    pub fn is_tls(&self) -> bool {
        self.secret_type == secret_type::TLS
    }

    /// The value of a key whose file has these contents.
    pub fn value(&self, key: &str, contents: &[u8]) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        match key {
            secret_type::TLS_CERTIFICATE if self.is_tls() => tls::certificates(contents),
            secret_type::TLS_KEY if self.is_tls() => tls::private_key(contents),
            _ => Ok(Zeroizing::new(contents.to_vec())),
        }
    }

    /// The entry of `secretObjects`, as [`Class::parse`](crate::Class::parse) reads it.
    pub fn to_entry(&self) -> Value {
        let data = self.data.iter();
        let data: Vec<Value> = data
            .map(|data| json!({"objectName": data.file.as_str(), "key": data.key}))
            .collect();
        let mut entry =
            json!({"secretName": self.name.as_str(), "type": self.secret_type, "data": data});
        for (field, words) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !words.is_empty() {
                entry[field] = json!(words);
            }
        }
        entry
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&SecretKey> {
        self.data.iter().find(|data| data.key == name)
    }
}
