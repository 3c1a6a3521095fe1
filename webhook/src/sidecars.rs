//! Has the cluster native sidecars? Init containers that go on, from Kubernetes 1.29 on.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>.

use std::sync::Arc;

use certs::ApiError;
use kube::Client;
use tokio::sync::OnceCell;

/// The first minor version of Kubernetes 1 that has them switched on.
const FIRST: u32 = 29;

/// Asks the API server for its version, once.
#[derive(Clone)]
pub struct Sidecars {
    client: Client,
    version: Arc<OnceCell<String>>,
}

impl Sidecars {
    /// Of this cluster.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            version: Arc::default(),
        }
    }

    /// The cluster's version where that is too old. What cannot be asked for is taken for new enough: the policy in the API
    /// server refuses a sidecar that lost what makes it one.
    pub async fn missing(&self) -> Option<String> {
        let ask = || async {
            let info = self.client.apiserver_version().await?;
            Ok::<_, kube::Error>(format!("{}.{}", info.major, info.minor))
        };
        match self.version.get_or_try_init(ask).await {
            Ok(version) => is_old(version).then(|| version.clone()),
            Err(error) => {
                tracing::warn!("no version of the cluster: {}", ApiError::from(error));
                None
            }
        }
    }
}

/// Some clusters have a letter at the end: `1.28+`.
fn is_old(version: &str) -> bool {
    let minor = version.strip_prefix("1.").unwrap_or_default();
    let digits = minor.trim_end_matches(|c: char| !c.is_ascii_digit());
    digits.parse::<u32>().is_ok_and(|minor| minor < FIRST)
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_compared_by_number() {
        for (version, is_old) in [
            ("1.28", true),
            ("1.9+", true),
            ("1.29", false),
            ("1.100", false),
            ("2.0", false),
        ] {
            assert_eq!(super::is_old(version), is_old, "{version}");
        }
    }
}
