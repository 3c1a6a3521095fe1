//! Memory and file handles of processes in the cluster's pods, seen from the node.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, interval};

use super::Soak;
use crate::figures::{Figures, number};
use crate::process::resident;

/// Between two samples.
const PERIOD: Duration = Duration::from_secs(10);

/// The programs, as far as the kernel keeps their names.
pub(super) const WEBHOOK: &str = "aws-secrets-web";
pub(super) const SIDECAR: &str = "aws-secrets-inj";

/// A program's process that is watched.
pub(super) type Watched = (&'static str, u32);

/// Means over the processes of a kind, at one time.
pub(super) struct Sample {
    program: &'static str,
    /// In MiB.
    memory: f64,
    handles: f64,
}

/// Finds the process of a pod. The kubelet sets the pod's name as its host name.
pub(super) fn find(program: &'static str, pod: &str) -> anyhow::Result<Watched> {
    let host = format!("HOSTNAME={pod}");
    let is_it = |id: &u32| {
        let read = |file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        let variables = read("environ");
        let mut variables = variables.split(|byte| *byte == 0);
        read("comm").trim_ascii() == program.as_bytes()
            && variables.any(|variable| variable == host.as_bytes())
    };
    let entries = fs::read_dir("/proc")?.flatten();
    let mut ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let id = ids.find(is_it);
    let id = id.with_context(|| format!("pod {pod} has no process {program}"))?;
    Ok((program, id))
}

/// Takes samples until the end.
pub(super) async fn watch(soak: &Soak, watched: &[Watched]) -> anyhow::Result<Vec<Sample>> {
    let mut ticks = interval(PERIOD);
    let mut samples = Vec::new();
    while Instant::now() < soak.end {
        ticks.tick().await;
        for program in [WEBHOOK, SIDECAR] {
            let (mut memory, mut handles) = (Vec::new(), Vec::new());
            for (_, id) in watched.iter().filter(|(other, _)| *other == program) {
                let kibibytes = resident(*id).context("a watched process has ended")?;
                memory.push(number(kibibytes) / 1024.0);
                handles.push(number(fs::read_dir(format!("/proc/{id}/fd"))?.count()));
            }
            samples.push(Sample {
                program,
                memory: mean(memory),
                handles: mean(handles),
            });
        }
    }
    Ok(samples)
}

/// Adds how each figure changed from the second quarter of the time to the last. Returns which grew by more than a twentieth
/// and what a measurement may vary by.
pub(super) fn outcome(figures: &mut Figures, samples: &[Sample]) -> Vec<String> {
    let mut grown = Vec::new();
    for (program, who) in [(WEBHOOK, "webhook"), (SIDECAR, "sidecar")] {
        let of_program: Vec<_> = samples
            .iter()
            .filter(|sample| sample.program == program)
            .collect();
        let quarter = of_program.len() / 4;
        let mut add = |what: &str, slack: f64, value: fn(&Sample) -> f64| {
            let within = |from| {
                mean(
                    of_program
                        .iter()
                        .skip(from)
                        .take(quarter)
                        .map(|one| value(one)),
                )
            };
            let (early, late) = (within(quarter), within(3 * quarter));
            figures.add(format!("{who}, {what}, early"), format!("{early:.1}"));
            figures.add(format!("{who}, {what}, late"), format!("{late:.1}"));
            if late > early * 1.05 + slack {
                let change = format!("grew from {early:.1} to {late:.1}");
                grown.push(format!("{what} of the {who} {change}"));
            }
        };
        add("memory", 0.5, |sample| sample.memory);
        add("handles", 10.0, |sample| sample.handles);
    }
    grown
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values = values.into_iter();
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count == 0.0 { 0.0 } else { sum / count }
}
