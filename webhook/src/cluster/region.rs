//! The default region, for classes without one: the webhook's own setting, or else the label that all nodes share.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use provider_class::{Class, Region};
use tokio::sync::watch;

use crate::cluster::api_error::ApiError;
use crate::cluster::lookup::{Deadline, LookupError};
use crate::panics::spawn_vital;

/// Set by the cloud provider. Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/>.
const LABEL: &str = "topology.kubernetes.io/region";

/// Nodes that are looked at: all of a cluster are in one region, or, if not, the first ones tell.
const NODES: u32 = 250;

/// The time to the next list of nodes: after a failure, and where nodes name no region (they may later).
const AGAIN: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(30);

/// What is known of the default region.
#[derive(Clone, Debug, PartialEq)]
enum Known {
    /// The nodes have not been listed yet.
    Nothing,
    /// The nodes could not be listed.
    Failure(String),
    /// There is none.
    NoRegion,
    /// It.
    Region(Region),
}

/// The default region, found in the background. What was found stays: no request waits for nodes again, whatever the API
/// server is doing.
#[derive(Clone)]
pub(crate) struct DefaultRegion(watch::Receiver<Known>);

impl DefaultRegion {
    /// With the webhook's own setting, or else the nodes'. Called inside a Tokio runtime.
    pub(crate) fn start(setting: Option<Region>, client: Client) -> Self {
        let is_set = setting.is_some();
        let (sender, known) = watch::channel(setting.map_or(Known::Nothing, Known::Region));
        if !is_set {
            spawn_vital(find(client, sender));
        }
        Self(known)
    }

    /// The region for a class that names none; not looked at for others.
    ///
    /// # Errors
    /// Nodes could not be listed so far.
    pub(crate) async fn of(
        &self,
        class: &Class,
        deadline: Deadline,
    ) -> Result<Option<Region>, LookupError> {
        match class.region {
            Some(_) => Ok(None),
            None => self.get(deadline).await,
        }
    }

    async fn get(&self, deadline: Deadline) -> Result<Option<Region>, LookupError> {
        let mut known = self.0.clone();
        let found = known.wait_for(|known| matches!(known, Known::NoRegion | Known::Region(_)));
        // Without an answer in time, or with the finder gone, what is known so far tells.
        let _ = deadline.wait(found).await;
        let known = self.0.borrow().clone();
        match known {
            Known::Region(region) => Ok(Some(region)),
            Known::NoRegion => Ok(None),
            Known::Failure(error) => Err(LookupError::Region { error }),
            Known::Nothing => Err(LookupError::Region {
                error: "no answer yet".to_owned(),
            }),
        }
    }
}

/// Lists nodes until they name a region.
async fn find(client: Client, known: watch::Sender<Known>) {
    let mut reported = String::new();
    loop {
        let (wait, reason) = match list(&client).await.map(only) {
            Ok(Ok(region)) => {
                known.send_replace(Known::Region(region));
                return;
            }
            Ok(Err(reason)) => {
                known.send_replace(Known::NoRegion);
                (LATER, reason)
            }
            Err(error) => {
                let error = error.to_string();
                // What nodes said before stays true.
                if *known.borrow() != Known::NoRegion {
                    known.send_replace(Known::Failure(error.clone()));
                }
                (AGAIN, format!("could not list nodes: {error}"))
            }
        };
        if reason != reported {
            tracing::warn!("no default region: {reason}");
            reported = reason;
        }
        tokio::time::sleep(wait).await;
    }
}

/// The labels of the nodes that have one.
async fn list(client: &Client) -> Result<BTreeSet<String>, ApiError> {
    let params = ListParams::default().labels(LABEL).limit(NODES);
    let nodes = Api::<Node>::all(client.clone())
        .list_metadata(&params)
        .await?;
    let labels = nodes
        .iter()
        .filter_map(|node| node.labels().get(LABEL).cloned())
        .collect();
    Ok(labels)
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
            "nodes are in several regions, e.g. {one} and {other}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_the_first_list_and_for_a_failed_one_to_be_repeated() {
        let (sender, known) = watch::channel(Known::Nothing);
        let region = DefaultRegion(known);
        let waiting = tokio::spawn({
            let region = region.clone();
            async move { region.get(Deadline::start()).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        sender.send_replace(Known::Failure("forbidden".to_owned()));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!waiting.is_finished());
        sender.send_replace(Known::Region("us-east-2".parse().unwrap()));
        assert_eq!(waiting.await.unwrap().unwrap().as_str(), "us-east-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_does_not_wait_longer_than_its_deadline() {
        let (sender, known) = watch::channel(Known::Failure("forbidden".to_owned()));
        let region = DefaultRegion(known);
        let error = region.get(Deadline::start()).await.unwrap_err().to_string();
        assert!(error.contains("forbidden"), "{error}");
        sender.send_replace(Known::NoRegion);
        assert_eq!(region.get(Deadline::start()).await.unwrap(), None);
    }

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
