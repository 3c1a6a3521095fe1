//! A Secret as JSON, with the contents of files.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use provider_class::{Owner, Presence, SecretObject, TlsError};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::mount;

/// The label of all such Secrets, which the Secrets Store CSI Driver sets, too.
const MANAGED: (&str, &str) = ("secrets-store.csi.k8s.io/managed", "true");

/// Why a file cannot be a value. Never the value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// It should be on disk.
    #[error("could not read {file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// The kernel's error.
        error: io::Error,
    },
    /// It has no such part.
    #[error("key {key:?}: the value of the file {file:?} {error}")]
    Tls {
        /// The key.
        key: String,
        /// The file.
        file: String,
        /// What it lacks.
        error: TlsError,
    },
}

/// A Secret with its values.
pub(super) struct Secret<'a> {
    described: &'a SecretObject,
    /// In base64.
    data: BTreeMap<&'a str, Zeroizing<String>>,
}

impl<'a> Secret<'a> {
    /// Reads the values from the files of its class.
    pub(super) fn read(described: &'a SecretObject, directory: &Path) -> Result<Self, ValueError> {
        let mut data = BTreeMap::new();
        for item in &described.data {
            let path = directory.join(&item.file);
            let contents = match fs::read(&path) {
                Ok(contents) => contents,
                Err(error) if mount::is_no_file(&error) && item.presence == Presence::Optional => {
                    continue;
                }
                Err(error) => {
                    let file = path.display().to_string();
                    return Err(ValueError::Read { file, error });
                }
            };
            let contents = Zeroizing::new(contents);
            let value = described
                .value(&item.key, &contents)
                .map_err(|error| ValueError::Tls {
                    key: item.key.clone(),
                    file: item.file.to_string(),
                    error,
                })?;
            let value = Zeroizing::new(BASE64_STANDARD.encode(&*value));
            data.insert(item.key.as_str(), value);
        }
        Ok(Self { described, data })
    }

    /// All that this program manages: contents and the owner, so that it never exists without one.
    pub(super) fn with_data(&self, owner: &Owner) -> Zeroizing<Vec<u8>> {
        let described = self.described;
        let mut labels = described.labels.clone();
        labels.insert(MANAGED.0.to_owned(), MANAGED.1.to_owned());
        let data: BTreeMap<&str, &str> = self
            .data
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        self.body(json!({
            "metadata": {
                "labels": labels,
                "annotations": described.annotations,
                "ownerReferences": [reference(owner)],
            },
            "type": described.secret_type,
            "data": data,
        }))
    }

    /// Only the owner.
    pub(super) fn with_owner(&self, owner: &Owner) -> Zeroizing<Vec<u8>> {
        self.body(json!({"metadata": {"ownerReferences": [reference(owner)]}}))
    }

    /// Nothing.
    pub(super) fn name_only(&self) -> Zeroizing<Vec<u8>> {
        self.body(json!({"metadata": {}}))
    }

    fn body(&self, mut object: Value) -> Zeroizing<Vec<u8>> {
        object["apiVersion"] = "v1".into();
        object["kind"] = "Secret".into();
        object["metadata"]["name"] = self.described.name.as_str().into();
        Zeroizing::new(object.to_string().into_bytes())
    }
}

/// Neither the controller, nor one that its owner waits for.
fn reference(owner: &Owner) -> Value {
    json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid})
}
