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
/// The value of `spec.provider` that this crate is about.
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
    /// Its namespace, where the file or the API server names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// `spec` of a `SecretProviderClass`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretProviderClassSpec {
    /// The provider that serves the class; `aws` for all that we do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's parameters; for AWS, [`parameters`](crate::parameters) knows their meaning.
    #[serde(default, deserialize_with = "null_as_default")]
    pub parameters: BTreeMap<String, String>,
    /// Kubernetes Secrets that the CSI driver would make from the files.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub secret_objects: Vec<serde_json::Value>,
}

/// Reads `null` as if the field were not there, as the API server does for optional fields.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
