//! Objects of the API server, as far as they are needed. Labels, managed fields and the like of another person's object can have
//! megabytes, and become many times as much once they are read. So they are passed over, and the spec of a class is text until its
//! size is known.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use provider_class::{GROUP, KIND, PLURAL, VERSIONS};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::pod::role;

/// A `SecretProviderClass`.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct ClassObject {
    #[serde(deserialize_with = "metadata")]
    metadata: ObjectMeta,
    /// `None` is an empty one.
    pub(crate) spec: Option<Box<RawValue>>,
}

/// A ServiceAccount.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct ServiceAccount {
    #[serde(deserialize_with = "metadata")]
    metadata: ObjectMeta,
}

/// Which object it is and which version of it, and the annotations of a role.
fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read {
        name: Option<String>,
        namespace: Option<String>,
        resource_version: Option<String>,
        annotations: Option<OfRole>,
    }
    let read = Read::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: read.name,
        namespace: read.namespace,
        resource_version: read.resource_version,
        annotations: read.annotations.map(|OfRole(annotations)| annotations),
        ..ObjectMeta::default()
    })
}

/// Of some annotations, those of a role.
struct OfRole(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for OfRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfRoleVisitor)
    }
}

struct OfRoleVisitor;

impl<'de> Visitor<'de> for OfRoleVisitor {
    type Value = OfRole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("annotations")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut annotations: A) -> Result<OfRole, A::Error> {
        let mut of_role = BTreeMap::new();
        while let Some(name) = annotations.next_key::<String>()? {
            if role::ANNOTATIONS.contains(&name.as_str()) {
                of_role.insert(name, annotations.next_value()?);
            } else {
                annotations.next_value::<IgnoredAny>()?;
            }
        }
        Ok(OfRole(of_role))
    }
}

impl Resource for ClassObject {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSIONS[0].into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Resource for ServiceAccount {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "ServiceAccount".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "serviceaccounts".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
