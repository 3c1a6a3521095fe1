//! Many pods at once, and many sidecars over time.

use std::time::{Duration, Instant};

use aws_secrets_injector::refresh::schedule::{jittered, offset};
use e2e::admissions::{blocking, dry_run, is_injected};
use e2e::progress::step;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::json;

use crate::cluster::{NAMESPACE, World, annotations};
use crate::plot::{Line, number, svg};
use crate::report::{Highlight, Row, Section};
use crate::statistics::{Sample, ratio, shown};

const PODS: usize = 200;
const SIDECARS: usize = 10_000;
/// Secrets per sidecar. Each takes one call per refresh.
const SECRETS: usize = 20;
/// The interval in the documentation's example.
const INTERVAL: Duration = Duration::from_mins(5);
/// All sidecars start within this time, as after a restart of the whole cluster.
const ROLLOUT: Duration = Duration::from_mins(1);
/// The simulated time, in seconds.
const HOUR: usize = 3600;
/// Calls per second of DescribeSecret and GetSecretValue together, per account and region.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>.
pub(crate) const QUOTA: usize = 10_000;

/// Measures both; also returns the plot of the calls.
pub(crate) fn measure(world: &World) -> anyhow::Result<(Section, String)> {
    let mut rows = step(&format!("scale: {PODS} pods at once"), || at_once(world))?;
    let together = calls_per_second(false);
    let apart = calls_per_second(true);
    let most = |calls: &[usize]| calls.iter().copied().max().unwrap_or_default();
    let later = |calls: &[usize]| most(&calls[HOUR / 2..]);
    rows.push(Row::with_target(
        format!("{SIDECARS} sidecars with {SECRETS} secrets each: busiest second"),
        format!("{} calls", most(&apart)),
        "≤ 10000 calls",
        most(&apart) <= QUOTA,
        format!(
            "mean {}; maximum in the second half hour {}; without jitter and offset {}",
            apart.iter().sum::<usize>() / HOUR,
            later(&apart),
            most(&together)
        ),
    ));
    let section = Section {
        title: "Scale",
        name: "scale",
        method: format!(
            "{PODS} annotated pods are sent to a real API server at once, as dry runs. The same number without the annotation is \
             the baseline.\n\n\
             The sidecars are simulated for an hour with the program's own schedule and an interval of {} min. All start \
             within a minute, and each checks the versions of its {SECRETS} secrets within one second. The target is the \
             [Secrets Manager quota](https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html) per \
             account and region. Parameters need one call per ten, but the \
             [Parameter Store quota](https://docs.aws.amazon.com/general/latest/gr/ssm.html) is 40 calls per second unless you \
             turn on higher throughput. {SIDECARS} sidecars with ten parameters each make {} calls per second, which is close \
             to that limit.\n\n\
             ![Calls per second over an hour, with and without jitter](sidecars.svg)",
            INTERVAL.as_secs() / 60,
            SIDECARS as u64 / INTERVAL.as_secs()
        ),
        highlights: vec![Highlight::new(
            format!("AWS calls of {SIDECARS} sidecars"),
            format!("{} per second", most(&apart)),
            format!(
                "busiest second, with {SECRETS} secrets each and a refresh every {} minutes; the quota is {QUOTA}",
                INTERVAL.as_secs() / 60
            ),
        )],
        rows,
    };
    Ok((section, plot(&together, &apart)))
}

/// Creates pods with and without the annotation. Returns rows.
fn at_once(world: &World) -> anyhow::Result<Vec<Row>> {
    let (runtime, client) = blocking(&world.kubectl)?;
    let api: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let all = |annotated: bool| {
        let one = async |index: usize| {
            let pod: Pod = serde_json::from_value(pod(index, annotated))?;
            let started = Instant::now();
            let made = dry_run(&api, &pod).await?;
            anyhow::Ok((started.elapsed(), is_injected(&made)))
        };
        runtime.block_on(join_all((0..PODS).map(one)))
    };
    // Opens the client's connections, so that they do not count.
    let _ = all(false);
    let (bare, annotated) = (all(false), all(true));
    let failed = annotated
        .iter()
        .filter(|result| !matches!(result, Ok((_, true))))
        .count();
    let times = |results: Vec<anyhow::Result<(Duration, bool)>>| -> Sample {
        results
            .into_iter()
            .flatten()
            .map(|(time, _)| time)
            .collect()
    };
    let (bare, annotated) = (times(bare), times(annotated));
    let rows = vec![
        Row::with_target(
            format!("{PODS} annotated pods at once: not injected"),
            failed.to_string(),
            "0",
            failed == 0,
            String::new(),
        ),
        Row::plain(
            "slowest annotated pod, vs. slowest pod without annotation".to_owned(),
            format!(
                "{:.2} ×",
                ratio(annotated.percentile(100), bare.percentile(100))
            ),
            format!(
                "{} vs. {}",
                shown(annotated.percentile(100)),
                shown(bare.percentile(100))
            ),
        ),
    ];
    Ok(rows)
}

fn pod(index: usize, annotated: bool) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("scale-{index}"),
            "annotations": if annotated { annotations() } else { json!({}) },
        },
        "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "image": "app"}]},
    })
}

/// Calls in each second of an hour, with the random schedule or, for comparison, without it.
fn calls_per_second(random: bool) -> Vec<usize> {
    let mut numbers = fastrand::Rng::with_seed(7);
    let mut calls = vec![0; HOUR];
    for _ in 0..SIDECARS {
        let mut at = ROLLOUT.mul_f64(numbers.f64());
        at += if random {
            offset(INTERVAL, numbers.f64())
        } else {
            INTERVAL
        };
        while let Some(second) = usize::try_from(at.as_secs())
            .ok()
            .and_then(|second| calls.get_mut(second))
        {
            *second += SECRETS;
            at += if random {
                jittered(INTERVAL, numbers.f64())
            } else {
                INTERVAL
            };
        }
    }
    calls
}

/// Plots both, and the quota.
fn plot(together: &[usize], apart: &[usize]) -> String {
    let calls = together.iter().chain(apart).chain([&QUOTA]);
    let most = calls.copied().max().unwrap_or(1) * 11 / 10;
    // One point for five seconds: the busiest of them.
    let busiest = |calls: &[usize]| {
        let chunks = calls.chunks(5).enumerate();
        chunks
            .map(|(index, chunk)| {
                let calls = chunk.iter().copied().max().unwrap_or_default();
                (number(index * 5), number(calls))
            })
            .collect()
    };
    let line = |color, dashed, points| Line {
        color,
        dashed,
        points,
    };
    let quota = number(QUOTA);
    svg(
        (number(HOUR), number(most)),
        &[0.0, quota],
        &format!(
            "calls per second over an hour; red: quota; blue: {SIDECARS} sidecars; gray: without jitter"
        ),
        &[
            line("#bbb", false, busiest(together)),
            line("#06c", false, busiest(apart)),
            line("#c00", true, vec![(0.0, quota), (number(HOUR), quota)]),
        ],
    )
}
