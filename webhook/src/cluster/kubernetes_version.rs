//! The API server's version.

use std::time::Duration;

use kube::Client;

use crate::cluster::api_error::ApiError;
use crate::cluster::lookup::Deadline;
use crate::cluster::remembered::Remembered;

/// How long a version is used: a cluster is upgraded while the webhook runs.
const KEEP: Duration = Duration::from_mins(5);

/// Asks the API server for its version. Clones share what is known.
#[derive(Clone)]
pub(crate) struct KubernetesVersion {
    client: Client,
    version: Remembered<String>,
}

impl KubernetesVersion {
    /// Of this cluster.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            version: Remembered::default(),
        }
    }

    /// The API server's version, such as `1.35` or `1.35+`.
    pub(crate) async fn get(&self, deadline: Deadline) -> Result<String, ApiError> {
        let client = self.client.clone();
        let ask = async move {
            let info = client.apiserver_version().await?;
            Ok(format!("{}.{}", info.major, info.minor))
        };
        self.version
            .get(deadline, |_| KEEP, "the cluster's version", ask)
            .await
    }
}

/// The minor version, from `1.28+`, `v1.28.3` or `v1.28.3-eks-113cf36`. That of a later major version is above all others.
pub(crate) fn minor(version: &str) -> Option<u32> {
    let (major, rest) = version
        .strip_prefix('v')
        .unwrap_or(version)
        .split_once('.')?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let minor = digits.parse().ok()?;
    match major.parse::<u32>().ok()? {
        1 => Some(minor),
        0 => None,
        _ => Some(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn the_minor_version_is_a_number() {
        for (version, number) in [
            ("1.28", Some(28)),
            ("1.9+", Some(9)),
            ("v1.100.3-eks-1", Some(100)),
            ("2.0", Some(u32::MAX)),
            ("1.", None),
            ("1", None),
            ("one.two", None),
        ] {
            assert_eq!(minor(version), number, "{version}");
        }
    }
}
