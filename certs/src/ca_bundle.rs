//! The `caBundle` of webhook configurations. With server-side apply, this crate owns only this field. Whoever applied the
//! rest (kubectl, Helm, a GitOps tool) still owns it and sees no drift.

use k8s_openapi::ByteString;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::replica::Published;

/// The field manager's name.
const FIELD_MANAGER: &str = "webhook-certs";

/// A webhook configuration, by kind and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// A `MutatingWebhookConfiguration`.
    Mutating(String),
    /// A `ValidatingWebhookConfiguration`.
    Validating(String),
}

impl std::fmt::Display for Configuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}

impl Configuration {
    fn kind(&self) -> &'static str {
        match self {
            Self::Mutating(_) => "MutatingWebhookConfiguration",
            Self::Validating(_) => "ValidatingWebhookConfiguration",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Mutating(name) | Self::Validating(name) => name,
        }
    }

    /// Its API.
    pub fn api(&self, client: Client) -> (Api<DynamicObject>, ApiResource) {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", self.kind());
        let resource = ApiResource::from_gvk(&kind);
        (Api::all_with(client, &resource), resource)
    }

    /// Reads it. `None` if it does not exist; the bundle is published when it is created.
    pub async fn read(&self, client: Client) -> kube::Result<Option<DynamicObject>> {
        self.api(client).0.get_opt(self.name()).await
    }

    /// Writes the PEM bundle into every webhook of the configuration if it has not changed since it was read. `false`: it
    /// has changed, so read it again.
    pub async fn publish(
        &self,
        client: Client,
        before: &DynamicObject,
        bundle: &str,
    ) -> kube::Result<bool> {
        let (api, resource) = self.api(client);
        let bundle = ByteString(bundle.as_bytes().to_vec());
        let ours = |webhook: &Value| json!({"name": webhook["name"], "clientConfig": {"caBundle": bundle}});
        let webhooks: Vec<Value> = webhooks(before).iter().map(ours).collect();
        let mut metadata = json!({"name": self.name()});
        if let Some(version) = &before.metadata.resource_version {
            metadata["resourceVersion"] = version.as_str().into();
        }
        let ours = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "webhooks": webhooks,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch(self.name(), &params, &Patch::Apply(ours)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn webhooks(configuration: &DynamicObject) -> &[Value] {
    configuration.data["webhooks"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// The bundles of a configuration, and when this crate last wrote them.
pub(crate) fn published(configuration: &DynamicObject) -> Published {
    let bundle = |webhook: &Value| {
        let encoded = webhook["clientConfig"]["caBundle"].clone();
        let bytes = serde_json::from_value(encoded).map_or(Vec::new(), |ByteString(bytes)| bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let managers = configuration.managed_fields().iter();
    let own = managers.filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    let changed_at = own
        .filter_map(|entry| Some(entry.time.as_ref()?.0.into()))
        .max();
    Published::new(webhooks(configuration).iter().map(bundle), changed_at)
}
