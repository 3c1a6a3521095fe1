//! The region of classes that name none: the webhook's own setting, or else the label that all nodes share.

use std::collections::BTreeSet;

use certs::ApiError;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use provider_class::{Region, SecretProviderClassSpec};
use tokio::sync::OnceCell;

/// Set by the cloud provider. Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/>.
const LABEL: &str = "topology.kubernetes.io/region";

/// Nodes that are looked at: all of a cluster are in one region, or, if not, the first ones tell.
const NODES: u32 = 500;

/// Finds the default region, once.
#[derive(Clone)]
pub struct DefaultRegion {
    setting: Option<Region>,
    client: Client,
    nodes: std::sync::Arc<OnceCell<Region>>,
}

impl DefaultRegion {
    /// With the webhook's own setting.
    pub fn new(setting: Option<Region>, client: Client) -> Self {
        Self {
            setting,
            client,
            nodes: std::sync::Arc::default(),
        }
    }

    /// The region for a class that names none; not looked for where it does.
    pub async fn of(&self, class: &SecretProviderClassSpec) -> Option<Region> {
        let own = class.parameters.get("region");
        if own.is_some_and(|region| !region.is_empty()) {
            return None;
        }
        self.get().await
    }

    /// The region, if there is one. A failure is logged, not remembered: a class that needs the region says so.
    async fn get(&self) -> Option<Region> {
        if let Some(region) = &self.setting {
            return Some(region.clone());
        }
        let found = self.nodes.get_or_try_init(|| self.of_nodes()).await;
        found
            .inspect_err(|error| tracing::warn!("no default region: {error}"))
            .ok()
            .cloned()
    }

    async fn of_nodes(&self) -> Result<Region, String> {
        let params = ListParams::default().labels(LABEL).limit(NODES);
        let nodes = Api::<Node>::all(self.client.clone())
            .list_metadata(&params)
            .await;
        let nodes =
            nodes.map_err(|error| format!("could not list nodes: {}", ApiError::from(error)))?;
        let labels = nodes
            .iter()
            .filter_map(|node| node.labels().get(LABEL).cloned())
            .collect();
        only(labels)
    }
}

/// The only region of all nodes' labels.
fn only(labels: BTreeSet<String>) -> Result<Region, String> {
    let mut labels = labels.into_iter();
    match (labels.next(), labels.next()) {
        (Some(label), None) => label
            .parse()
            .map_err(|error| format!("label {LABEL}: {error}")),
        (None, _) => Err(format!("no node has the label {LABEL}")),
        (Some(one), Some(other)) => Err(format!(
            "nodes are in several regions, such as {one} and {other}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_regions_are_none() {
        let of = |labels: &[&str]| only(labels.iter().map(|label| (*label).to_owned()).collect());
        assert_eq!(of(&["us-east-2"]).unwrap().as_str(), "us-east-2");
        assert!(of(&[]).unwrap_err().contains("no node has the label"));
        assert!(
            of(&["us-east-2", "us-west-2"])
                .unwrap_err()
                .contains("several regions")
        );
        assert!(of(&["here"]).unwrap_err().contains("is not an AWS region"));
    }
}
