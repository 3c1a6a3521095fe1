//! Pods that come and go: most are only admitted and stored, and some run to their end.

use std::sync::Arc;
use std::time::Duration;

use e2e::admissions::is_injected;
use e2e::images::APP;
use e2e::progress::line;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, LogParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::logs::has_secret;
use super::{FILE, MARK, Soak};

/// Between two pods that are stored: 5 per second.
const STORED: Duration = Duration::from_millis(200);
/// Between two pods that run.
const RUN: Duration = Duration::from_secs(3);
/// Pods that run at a time. A node has room for 110 pods, half of which have a sidecar, and a slow one starts fewer.
const MOST_RUNNING: usize = 20;
/// Time limit for a pod to be admitted, although it is refused before.
const ADMISSION: Duration = Duration::from_secs(30);
/// Time limit for a pod to run to its end, whatever AWS does in the meantime.
const END: Duration = Duration::from_mins(5);

/// Creates pods that no node gets, and deletes them.
pub(super) async fn admit(soak: &Arc<Soak>) -> anyhow::Result<()> {
    let spec = json!({
        "schedulingGates": [{"name": "example.com/never"}],
        "containers": [{"name": "app", "image": APP}],
    });
    one_by_one(soak, STORED, usize::MAX, spec, admit_one).await
}

/// Runs pods that read their secret and end.
pub(super) async fn start(soak: &Arc<Soak>) -> anyhow::Result<()> {
    let spec = json!({
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": 0,
        "containers": [{
            "name": "app",
            "image": APP,
            "imagePullPolicy": "IfNotPresent",
            "command": ["grep", "-q", MARK, FILE],
        }],
    });
    one_by_one(soak, RUN, MOST_RUNNING, spec, run_one).await
}

/// Starts one in each period until the end, unless `most` are open.
async fn one_by_one<F>(
    soak: &Arc<Soak>,
    period: Duration,
    most: usize,
    spec: Value,
    one: fn(Arc<Soak>, Api<Pod>, Pod) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let api: Api<Pod> = Api::namespaced(soak.client.clone(), soak.world.name);
    let metadata = json!({"generateName": "pod-", "annotations": soak.world.annotations()});
    let pod: Pod = serde_json::from_value(json!({"metadata": metadata, "spec": spec}))?;
    let mut ticks = interval(period);
    let mut open = JoinSet::new();
    while Instant::now() < soak.end {
        ticks.tick().await;
        if open.len() < most {
            open.spawn(one(Arc::clone(soak), api.clone(), pod.clone()));
        }
        while let Some(done) = open.try_join_next() {
            done?;
        }
    }
    while let Some(done) = open.join_next().await {
        done?;
    }
    Ok(())
}

async fn admit_one(soak: Arc<Soak>, api: Api<Pod>, pod: Pod) {
    let began = Instant::now();
    while began.elapsed() < ADMISSION {
        match api.create(&PostParams::default(), &pod).await {
            Ok(made) => {
                let is_injected = is_injected(&made);
                soak.add(if is_injected { "injected" } else { "bare" }, 1);
                // One that cannot be deleted goes with its namespace.
                let at_once = DeleteParams::default().grace_period(0);
                let _ = api.delete(&made.name_any(), &at_once).await;
                return;
            }
            Err(error) => {
                soak.add("refused", 1);
                line(&format!("    refused: {error}"));
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
    soak.add("not admitted", 1);
}

/// Runs a pod until it has succeeded. A refusal counts with the other pods, so it is only repeated.
async fn run_one(soak: Arc<Soak>, api: Api<Pod>, pod: Pod) {
    let began = Instant::now();
    let (mut name, mut has_ended) = (None, false);
    while !has_ended && began.elapsed() < END {
        sleep(Duration::from_secs(1)).await;
        let Some(name) = &name else {
            let made = api.create(&PostParams::default(), &pod).await;
            name = made.ok().map(|made| made.name_any());
            continue;
        };
        let Ok(now) = api.get(name).await else {
            continue;
        };
        let status = now.status.unwrap_or_default();
        has_ended = status.phase.as_deref() == Some("Succeeded");
        let fetches = status.init_container_statuses.into_iter().flatten();
        let restarts: i32 = fetches.map(|fetch| fetch.restart_count).sum();
        soak.add("repeated", usize::from(has_ended && restarts > 0));
    }
    soak.add(if has_ended { "ended" } else { "not ended" }, 1);
    let Some(name) = name else {
        return;
    };
    let params = LogParams {
        container: Some("aws-secrets-injector".to_owned()),
        ..LogParams::default()
    };
    let log = api.logs(&name, &params).await.unwrap_or_default();
    soak.add("secrets in logs", usize::from(has_secret(&log)));
    if !has_ended {
        line(&format!("    {name} did not end; its log:\n{log}"));
    }
    let _ = api.delete(&name, &DeleteParams::default()).await;
}
