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

use crate::cluster::{NAMESPACE, World, annotations};
use crate::report::{Highlight, Row, Section};
use crate::statistics::{Sample, ratio, shown};

const ROUNDS: usize = 30;
/// Time limit for a pod to start.
const PATIENCE: Duration = Duration::from_mins(2);
/// The interval at which the kubelet checks containers. Pods are created at random times within it.
const PERIOD: Duration = Duration::from_secs(1);

/// What a pod consists of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Only the app.
    Bare,
    /// With an init container from the injector image that exits immediately.
    Init,
    /// With the annotation, so that the webhook injects it.
    Injected,
}

/// Measures the start of each kind of pod.
pub(crate) fn measure(world: &World) -> anyhow::Result<Section> {
    let (runtime, client) = blocking(&world.kubectl)?;
    let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let kinds = [Kind::Bare, Kind::Init, Kind::Injected];
    let times = step(&format!("pods: {ROUNDS} of each kind"), || {
        let mut times: [Vec<Duration>; 3] = Default::default();
        for round in 0..ROUNDS {
            for (kind, times) in kinds.into_iter().zip(&mut times) {
                std::thread::sleep(PERIOD.mul_f64(fastrand::f64()));
                times.push(runtime.block_on(start(&pods, kind, round))?);
            }
        }
        Ok(times)
    })?;
    let [bare, init, injected] = times.map(|times| times.into_iter().collect::<Sample>());
    let added = |sample: &Sample| sample.mean().saturating_sub(bare.mean());
    let figures = |sample: &Sample| {
        format!(
            "mean {}, median {}, p90 {}",
            shown(sample.mean()),
            shown(sample.median()),
            shown(sample.percentile(90))
        )
    };
    let rows = vec![
        Row::ratio(
            "time added by injection, vs. a trivial init container".to_owned(),
            ratio(added(&injected), added(&init)),
            1.1,
            format!("{} vs. {}", shown(added(&injected)), shown(added(&init))),
        ),
        Row::ratio_of(
            "injected pod, vs. a pod with a trivial init container",
            &injected,
            &init,
            figures(&injected),
        ),
        Row::ratio_of(
            "pod with a trivial init container, vs. a pod without",
            &init,
            &bare,
            figures(&init),
        ),
        Row::plain(
            "pod without an init container".to_owned(),
            shown(bare.mean()),
            figures(&bare),
        ),
    ];
    Ok(Section {
        title: "Pod start",
        name: "pods",
        method: format!(
            "{ROUNDS} pods of each kind, alternating, one at a time, on a kind cluster with one node. The time is from the \
             create request to the first instruction of the app, which prints the clock. Pods are created at random times \
             within a second, because the kubelet checks for exited containers once per second. The trivial init container \
             uses the injector image and exits immediately. The injected pod fetches four secrets. From run to run \
             the means vary by 0.2 s."
        ),
        highlights: vec![Highlight::new(
            "Time added to a pod's start",
            shown(added(&injected)),
            format!(
                "with four secrets; an init container that does nothing adds {}",
                shown(added(&init))
            ),
        )],
        rows,
    })
}

fn pod(kind: Kind, name: &str) -> Value {
    let init = json!([{"name": "init", "image": images::INJECTOR, "imagePullPolicy": "IfNotPresent", "args": ["--version"]}]);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "annotations": if let Kind::Injected = kind { annotations() } else { json!({}) },
        },
        "spec": {
            "serviceAccountName": "web",
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "initContainers": if let Kind::Init = kind { init } else { json!([]) },
            "containers": [{
                "name": "app",
                "image": images::APP,
                "imagePullPolicy": "IfNotPresent",
                "command": ["cat", UPTIME],
            }],
        },
    })
}

async fn start(pods: &Api<Pod>, kind: Kind, round: usize) -> anyhow::Result<Duration> {
    let name = format!("{kind:?}-{round}").to_lowercase();
    let pod: Pod = serde_json::from_value(pod(kind, &name))?;
    let (created, asked) = (uptime(&std::fs::read_to_string(UPTIME)?)?, Instant::now());
    pods.create(&PostParams::default(), &pod).await?;
    let params = LogParams {
        container: Some("app".to_owned()),
        ..LogParams::default()
    };
    let log = loop {
        // There is no log until the app has run.
        match pods.logs(&name, &params).await {
            Ok(log) if !log.is_empty() => break log,
            _ if asked.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(50)).await,
            other => bail!(
                "{name} did not start ({other:?}): {:?}",
                pods.get_status(&name).await?.status
            ),
        }
    };
    let first = uptime(&log)?;
    pods.delete(&name, &DeleteParams::default()).await?;
    Ok(first.saturating_sub(created))
}

/// A clock that this process shares with the containers. Its resolution is 10 ms.
const UPTIME: &str = "/proc/uptime";

fn uptime(text: &str) -> anyhow::Result<Duration> {
    let seconds = text.split(' ').next().unwrap_or_default().parse();
    let seconds = seconds.with_context(|| format!("{text:?} is not an uptime"))?;
    Ok(Duration::from_secs_f64(seconds))
}
