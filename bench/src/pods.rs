//! Pod start: from creation to the app's first instruction, with and without injection.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use e2e::admissions::blocking;
use e2e::images;
use e2e::progress::step;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, LogParams, PostParams};
use serde_json::{Value, json};

use crate::figures::{Figures, Sample, shown};
use crate::world::World;

const ROUNDS: usize = 30;
/// Time limit for a pod to start.
const PATIENCE: Duration = Duration::from_mins(2);
/// The interval at which the kubelet checks containers. Pods are created at random times within it.
const PERIOD: Duration = Duration::from_secs(1);
/// A clock that this process shares with the containers. Its resolution is 10 ms.
const UPTIME: &str = "/proc/uptime";

/// Measures the start of each kind of pod, one pod at a time.
pub(crate) fn measure(world: &World, figures: &mut Figures) -> anyhow::Result<()> {
    let (runtime, client) = blocking(&world.kubectl)?;
    let api: Api<Pod> = Api::namespaced(client, world.name);
    let init = json!([{"name": "init", "image": images::INJECTOR, "imagePullPolicy": "IfNotPresent", "args": ["--version"]}]);
    let none = json!([]);
    let kinds = [
        ("bare", pod(&none, &json!({}))),
        ("init", pod(&init, &json!({}))),
        ("injected", pod(&none, &world.annotations())),
    ];
    let mut times: [Vec<Duration>; 3] = Default::default();
    step(&format!("pods: {ROUNDS} of each kind"), || {
        for round in 0..ROUNDS {
            for ((kind, pod), times) in kinds.iter().zip(&mut times) {
                std::thread::sleep(PERIOD.mul_f64(fastrand::f64()));
                let name = format!("{kind}-{round}");
                times.push(runtime.block_on(start(&api, &name, pod.clone()))?);
            }
        }
        Ok(())
    })?;
    let samples = times.map(Sample::from_iter);
    for ((kind, _), sample) in kinds.iter().zip(&samples) {
        figures.add(format!("pod, {kind}"), shown(sample.mean()));
        let slow = sample.percentile(90);
        figures.add(format!("pod, {kind}, p90"), shown(slow));
        let added = sample.mean().saturating_sub(samples[0].mean());
        if *kind != "bare" {
            figures.add(format!("pod, {kind}, added"), shown(added));
        }
    }
    Ok(())
}

fn pod(init: &Value, annotations: &Value) -> Value {
    json!({
        "metadata": {"annotations": annotations},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "initContainers": init,
            "containers": [{
                "name": "app",
                "image": images::APP,
                "imagePullPolicy": "IfNotPresent",
                "command": ["cat", UPTIME],
            }],
        },
    })
}

async fn start(pods: &Api<Pod>, name: &str, mut pod: Value) -> anyhow::Result<Duration> {
    pod["metadata"]["name"] = name.into();
    let pod: Pod = serde_json::from_value(pod)?;
    let (created, asked) = (uptime(&std::fs::read_to_string(UPTIME)?)?, Instant::now());
    pods.create(&PostParams::default(), &pod).await?;
    let params = LogParams {
        container: Some("app".to_owned()),
        ..LogParams::default()
    };
    let log = loop {
        // There is no log until the app has run.
        match pods.logs(name, &params).await {
            Ok(log) if !log.is_empty() => break log,
            _ if asked.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(50)).await,
            other => bail!(
                "{name} did not start ({other:?}): {:?}",
                pods.get_status(name).await?.status
            ),
        }
    };
    let first = uptime(&log)?;
    pods.delete(name, &DeleteParams::default()).await?;
    Ok(first.saturating_sub(created))
}

fn uptime(text: &str) -> anyhow::Result<Duration> {
    let seconds = text.split(' ').next().unwrap_or_default().parse();
    let seconds = seconds.with_context(|| format!("{text:?} is not an uptime"))?;
    Ok(Duration::from_secs_f64(seconds))
}
