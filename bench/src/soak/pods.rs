//! Pods that come and go: most are only admitted and stored, and some run to their end.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use e2e::admissions::{is_injected, reason};
use e2e::images::APP;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, LogParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::logs::has_secret;
use super::stage::{FILE, MARK, PODS, annotations};

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

/// Pods that were admitted, stored and deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct Admitted {
    pub(super) injected: usize,
    pub(super) bare: usize,
    /// Refused for longer than the limit.
    pub(super) stuck: usize,
    /// Why pods were refused before they were admitted, with their number.
    pub(super) refused: BTreeMap<String, usize>,
}

/// Pods that ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Started {
    pub(super) ended: usize,
    pub(super) stuck: usize,
    /// Those that fetched more than once until AWS answered.
    pub(super) repeated: usize,
    /// Logs of their injected containers with a secret.
    pub(super) leaks: usize,
}

/// Creates pods that no node gets, and deletes them.
pub(super) async fn admit(client: Client, end: Instant) -> anyhow::Result<Admitted> {
    let api: Api<Pod> = Api::namespaced(client, PODS);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"generateName": "stored-", "annotations": annotations()},
        "spec": {
            "schedulingGates": [{"name": "example.com/never"}],
            "containers": [{"name": "app", "image": APP}],
        },
    }))?;
    let one = || {
        let (api, pod) = (api.clone(), pod.clone());
        async move { admit_one(&api, &pod).await }
    };
    one_by_one(STORED, usize::MAX, end, one).await
}

/// Starts one in each period until the end, unless `most` are open, and adds up what came of them.
async fn one_by_one<T, F>(
    period: Duration,
    most: usize,
    end: Instant,
    one: impl Fn() -> F,
) -> anyhow::Result<T>
where
    T: Default + AddAssign + Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut ticks = interval(period);
    let mut open = JoinSet::new();
    let mut all = T::default();
    while Instant::now() < end {
        ticks.tick().await;
        if open.len() < most {
            open.spawn(one());
        }
        while let Some(done) = open.try_join_next() {
            all += done?;
        }
    }
    while let Some(done) = open.join_next().await {
        all += done?;
    }
    Ok(all)
}

async fn admit_one(api: &Api<Pod>, pod: &Pod) -> Admitted {
    let mut one = Admitted::default();
    let began = Instant::now();
    loop {
        match api.create(&PostParams::default(), pod).await {
            Ok(made) => {
                if is_injected(&made) {
                    one.injected += 1;
                } else {
                    one.bare += 1;
                }
                // One that cannot be deleted goes with its namespace.
                let _ = api
                    .delete(&made.name_any(), &DeleteParams::default().grace_period(0))
                    .await;
                return one;
            }
            Err(error) => {
                let reason = match error {
                    kube::Error::Api(status) => reason(&status.message),
                    other => other.to_string(),
                };
                *one.refused.entry(reason).or_default() += 1;
            }
        }
        if began.elapsed() > ADMISSION {
            one.stuck += 1;
            return one;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

impl AddAssign for Admitted {
    fn add_assign(&mut self, other: Self) {
        self.injected += other.injected;
        self.bare += other.bare;
        self.stuck += other.stuck;
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
    }
}

/// Runs pods that read their secret and end.
pub(super) async fn start(client: Client, end: Instant) -> anyhow::Result<Started> {
    let api: Api<Pod> = Api::namespaced(client, PODS);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"generateName": "run-", "annotations": annotations()},
        "spec": {
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app",
                "image": APP,
                "imagePullPolicy": "IfNotPresent",
                "command": ["grep", "-q", MARK, FILE],
            }],
        },
    }))?;
    let one = || {
        let (api, pod) = (api.clone(), pod.clone());
        async move { run_one(&api, &pod).await }
    };
    one_by_one(RUN, MOST_RUNNING, end, one).await
}

/// Runs a pod until it has succeeded. A refusal counts with the other pods, so it is only repeated.
async fn run_one(api: &Api<Pod>, pod: &Pod) -> Started {
    let mut one = Started::default();
    let began = Instant::now();
    let mut name = None;
    while began.elapsed() < END {
        sleep(Duration::from_secs(1)).await;
        let Some(name) = &name else {
            let made = api.create(&PostParams::default(), pod).await;
            name = made.ok().map(|made| made.name_any());
            continue;
        };
        let Ok(now) = api.get(name).await else {
            continue;
        };
        let status = now.status.unwrap_or_default();
        if status.phase.as_deref() != Some("Succeeded") {
            continue;
        }
        let fetches = status.init_container_statuses.into_iter().flatten();
        one.repeated += usize::from(fetches.map(|fetch| fetch.restart_count).sum::<i32>() > 0);
        one.ended += 1;
        break;
    }
    if one.ended == 0 {
        one.stuck += 1;
    }
    if let Some(name) = name {
        let params = LogParams {
            container: Some("aws-secrets-injector".to_owned()),
            ..LogParams::default()
        };
        let log = api.logs(&name, &params).await.unwrap_or_default();
        one.leaks += usize::from(has_secret(&log));
        if one.stuck > 0 {
            e2e::progress::line(&format!("    {name} did not end; its log:\n{log}"));
        }
        let _ = api.delete(&name, &DeleteParams::default()).await;
    }
    one
}

impl AddAssign for Started {
    fn add_assign(&mut self, other: Self) {
        self.ended += other.ended;
        self.stuck += other.stuck;
        self.repeated += other.repeated;
        self.leaks += other.leaks;
    }
}
