//! The resource as Kubernetes stores it: nothing here is checked yet.
//!
//! Source: the CRD of the Secrets Store CSI Driver, <https://secrets-store-csi-driver.sigs.k8s.io/concepts#secretproviderclass>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// API group of the resource.
pub const GROUP: &str = "secrets-store.csi.x-k8s.io";
/// Kind of the resource.
pub const KIND: &str = "SecretProviderClass";
/// Plural name of the resource, as in URLs and RBAC rules.
pub const PLURAL: &str = "secretproviderclasses";
/// Versions in use, the stored one first.
pub const VERSIONS: [&str; 2] = ["v1", "v1alpha1"];
/// The supported value of `spec.provider`.
pub const PROVIDER: &str = "aws";

/// A whole `SecretProviderClass`, with the fields that matter here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretProviderClass {
    /// `secrets-store.csi.x-k8s.io/v1` or `…/v1alpha1`.
    #[serde(default)]
    pub api_version: String,
    /// `SecretProviderClass`.
    #[serde(default)]
    pub kind: String,
    /// Name and namespace.
    #[serde(default)]
    pub metadata: Metadata,
    /// The class itself.
    #[serde(default)]
    pub spec: SecretProviderClassSpec,
}

/// The two fields of an object's metadata that matter here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Metadata {
    /// Name of the object.
    #[serde(default)]
    pub name: String,
    /// Its namespace, if the file or the API server names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// `spec` of a `SecretProviderClass`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretProviderClassSpec {
    /// The provider that serves the class. Only `aws` is supported here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's parameters. For `aws`, [`Class::parse`](crate::Class::parse) gives them their meaning.
    #[serde(default, deserialize_with = "null_as_default")]
    pub parameters: BTreeMap<String, String>,
    /// Kubernetes Secrets with the contents of files.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub secret_objects: Vec<serde_json::Value>,
}

impl SecretProviderClassSpec {
    /// A class of provider `aws`. Of several parameters with one name the last counts.
    pub fn aws<K: Into<String>, V: Into<String>>(
        parameters: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let parameters = parameters.into_iter();
        Self {
            provider: Some(PROVIDER.to_owned()),
            parameters: parameters
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            secret_objects: Vec::new(),
        }
    }
}

/// Reads `null` as if the field were not there, as the API server does for optional fields.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
