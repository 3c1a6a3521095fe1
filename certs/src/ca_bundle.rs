//! The `caBundle` of webhook configurations: by server-side apply this field alone becomes ours, so that whoever applied
//! the rest (kubectl, Helm, a GitOps tool) keeps it and sees no drift.

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

/// The name under which the API server notes the field as ours.
const FIELD_MANAGER: &str = "webhook-certs";

/// A webhook configuration, by kind and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// A `MutatingWebhookConfiguration`.
    Mutating(String),
    /// A `ValidatingWebhookConfiguration`.
    Validating(String),
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

    /// How it is reached.
    pub fn api(&self, client: Client) -> (Api<DynamicObject>, ApiResource) {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", self.kind());
        let resource = ApiResource::from_gvk(&kind);
        (Api::all_with(client, &resource), resource)
    }

    /// Writes the bundle into every webhook of the configuration that has another one. `true` if anything was written;
    /// a configuration that does not exist is left alone, it will be published to when it comes.
    pub async fn publish(&self, client: Client, bundle_base64: &str) -> kube::Result<bool> {
        let (api, resource) = self.api(client);
        let Some(found) = api.get_opt(self.name()).await? else {
            tracing::warn!(
                kind = self.kind(),
                name = self.name(),
                "no such webhook configuration yet"
            );
            return Ok(false);
        };
        let Some(webhooks) = outdated(&found.data["webhooks"], bundle_base64) else {
            return Ok(false);
        };
        let ours = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": self.name()},
            "webhooks": webhooks,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(self.name(), &params, &Patch::Apply(ours)).await?;
        tracing::info!(kind = self.kind(), name = self.name(), "caBundle published");
        Ok(true)
    }
}

/// What is ours of the list of webhooks, or nothing where every entry has the bundle already.
fn outdated(webhooks: &Value, bundle_base64: &str) -> Option<Value> {
    let webhooks = webhooks.as_array()?;
    let current = |webhook: &Value| webhook["clientConfig"]["caBundle"] == bundle_base64;
    if webhooks.iter().all(current) {
        return None;
    }
    let ours = |webhook: &Value| json!({"name": webhook["name"], "clientConfig": {"caBundle": bundle_base64}});
    Some(webhooks.iter().map(ours).collect())
}
