//! The search for secrets in the logs of the webhook and of the sidecars.

use std::time::Duration;

use e2e::install;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt as _};
use tokio::time::{Instant, interval};

use super::{MARK, Soak};

/// Between two searches. Each reads a little more than the time since the last one.
const PERIOD: Duration = Duration::from_mins(1);
const READ: i64 = 70;

/// Is a value, in plain text or base64, in this log?
pub(super) fn has_secret(log: &str) -> bool {
    // The beginning of the mark in base64, at each of its three offsets within a triple.
    let encoded = ["c29ha2VkLXZhbHVl", "NvYWtlZC12YWx1Z", "zb2FrZWQtdmFsdW"];
    log.contains(MARK) || encoded.iter().any(|text| log.contains(text))
}

/// Searches until the end.
pub(super) async fn search(soak: &Soak) -> anyhow::Result<()> {
    let webhook: Api<Pod> = Api::namespaced(soak.client.clone(), install::NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(soak.client.clone(), soak.world.name);
    let all = ListParams::default();
    let sidecars = all.clone().labels("app=sidecar");
    let mut ticks = interval(PERIOD);
    while Instant::now() < soak.end {
        ticks.tick().await;
        read(soak, &webhook, &all).await?;
        read(soak, &pods, &sidecars).await?;
    }
    Ok(())
}

async fn read(soak: &Soak, api: &Api<Pod>, which: &ListParams) -> anyhow::Result<()> {
    for pod in api.list(which).await? {
        let name = pod.name_any();
        let spec = pod.spec.unwrap_or_default();
        let containers = spec.init_containers.into_iter().flatten();
        for container in containers.chain(spec.containers) {
            let params = LogParams {
                container: Some(container.name),
                since_seconds: Some(READ),
                ..LogParams::default()
            };
            // A pod that has just been killed has no log.
            let log = api.logs(&name, &params).await.unwrap_or_default();
            soak.add("lines", log.lines().count());
            if has_secret(&log) {
                soak.add("secrets in logs", 1);
                e2e::progress::line(&format!("    a secret is in a log of {name}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn values_are_found_in_plain_text_and_base64() {
        for before in ["", "a", "ab"] {
            let text = format!("{before}{MARK}7");
            assert!(has_secret(&text));
            assert!(has_secret(&BASE64_STANDARD.encode(text)));
        }
        assert!(!has_secret("soaked"));
    }
}
