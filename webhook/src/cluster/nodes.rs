//! The oldest kubelet of the cluster.

use std::time::Duration;

use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use serde::Deserialize;

use crate::cluster::api_error::ApiError;
use crate::cluster::kubernetes_version::minor;
use crate::cluster::lookup::Deadline;
use crate::cluster::remembered::Remembered;

/// Nodes that one answer of the API server may have. Each has some 20 KB there, most of it the list of its images, and answers have a
/// bound.
const PAGE: u32 = 100;

/// Finds the oldest kubelet. Clones share what is known.
#[derive(Clone)]
pub(crate) struct Nodes {
    client: Client,
    oldest: Remembered<Option<Kubelet>>,
}

/// The kubelet of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kubelet {
    /// The node's name.
    pub(crate) node: String,
    /// Its version, as the node says it.
    pub(crate) version: String,
}

/// What is read of a page of nodes.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMetadata,
    items: Vec<Node>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    metadata: NodeMetadata,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize)]
struct NodeMetadata {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    #[serde(default)]
    node_info: NodeInfo,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    #[serde(default)]
    kubelet_version: String,
}

impl Nodes {
    /// Of this cluster.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            oldest: Remembered::default(),
        }
    }

    /// The oldest kubelet; none where the cluster has no nodes. `keep` says for how long an answer is used.
    pub(crate) async fn oldest(
        &self,
        deadline: Deadline,
        keep: impl Fn(Option<&Kubelet>) -> Duration,
    ) -> Result<Option<Kubelet>, ApiError> {
        let ask = ask(self.client.clone());
        self.oldest
            .get(deadline, |oldest| keep(oldest.as_ref()), "the nodes", ask)
            .await
    }
}

async fn ask(client: Client) -> Result<Option<Kubelet>, kube::Error> {
    let mut oldest = None;
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let request = Request::new("/api/v1/nodes").list(&params);
        let page: Page = client
            .request(request.map_err(kube::Error::BuildRequest)?)
            .await?;
        for node in page.items {
            let kubelet = Kubelet {
                node: node.metadata.name,
                version: node.status.node_info.kubelet_version,
            };
            oldest = Some(older(oldest, kubelet));
        }
        match page.metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(oldest),
        }
    }
}

/// The older of the two. One whose version is not known may be the oldest.
fn older(known: Option<Kubelet>, other: Kubelet) -> Kubelet {
    match known {
        Some(known) if minor(&known.version) <= minor(&other.version) => known,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_found_and_the_first_of_equals() {
        let oldest = |versions: &[&str]| {
            let mut oldest = None;
            for (index, version) in versions.iter().enumerate() {
                let kubelet = Kubelet {
                    node: index.to_string(),
                    version: (*version).to_owned(),
                };
                oldest = Some(older(oldest, kubelet));
            }
            oldest.unwrap().node
        };
        assert_eq!(oldest(&["v1.36.0", "v1.9.3", "v1.9.1"]), "1");
        assert_eq!(oldest(&["v1.35.0", "", "v1.34.0"]), "1");
    }
}
