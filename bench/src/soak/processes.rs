//! Memory and file handles of processes in the cluster's pods, seen from the node.

use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, interval};

use crate::plot::number;

/// Between two samples.
const PERIOD: Duration = Duration::from_secs(10);

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Webhook,
    Sidecar,
}

impl Kind {
    /// The program's name, as far as the kernel keeps it.
    fn program(self) -> &'static str {
        match self {
            Self::Webhook => "aws-secrets-web",
            Self::Sidecar => "aws-secrets-inj",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Webhook => "webhook",
            Self::Sidecar => "sidecar",
        })
    }
}

/// A process that is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    kind: Kind,
    id: u32,
}

impl Watched {
    /// Finds the process of a pod. The kubelet sets the pod's name as its host name.
    pub(super) fn find(kind: Kind, pod: &str) -> anyhow::Result<Self> {
        let host = format!("HOSTNAME={pod}");
        let is_it = |id: &u32| {
            let read = |file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
            let variables = read("environ");
            let mut variables = variables.split(|byte| *byte == 0);
            read("comm").trim_ascii() == kind.program().as_bytes()
                && variables.any(|variable| variable == host.as_bytes())
        };
        let entries = fs::read_dir("/proc")?.flatten();
        let mut ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let id = ids.find(is_it);
        let id = id.with_context(|| format!("pod {pod} has no process of the {kind}"))?;
        Ok(Self { kind, id })
    }

    /// Its memory in KiB and its open file handles; none if it has ended.
    fn sample(self) -> Option<(usize, usize)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let memory = line.trim().trim_end_matches(" kB").parse().ok()?;
        let handles = fs::read_dir(format!("/proc/{}/fd", self.id)).ok()?.count();
        Some((memory, handles))
    }
}

/// Means over the processes of a kind, at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) kind: Kind,
    /// Since the beginning.
    pub(super) at: Duration,
    /// In KiB.
    pub(super) memory: f64,
    pub(super) handles: f64,
}

/// All samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) samples: Vec<Sample>,
    /// Processes that ended.
    pub(super) gone: usize,
}

/// Takes samples until the end.
pub(super) async fn watch(watched: Vec<Watched>, end: Instant) -> anyhow::Result<Series> {
    let started = Instant::now();
    let mut ticks = interval(PERIOD);
    let mut series = Series::default();
    while Instant::now() < end {
        ticks.tick().await;
        series.gone = 0;
        for kind in [Kind::Webhook, Kind::Sidecar] {
            let of_kind = watched.iter().filter(|watched| watched.kind == kind);
            let values: Vec<_> = of_kind.copied().map(Watched::sample).collect();
            series.gone += values.iter().filter(|value| value.is_none()).count();
            let values: Vec<_> = values.into_iter().flatten().collect();
            series.samples.push(Sample {
                kind,
                at: started.elapsed(),
                memory: mean(values.iter().map(|(memory, _)| number(*memory))),
                handles: mean(values.iter().map(|(_, handles)| number(*handles))),
            });
        }
    }
    Ok(series)
}

/// How something changed from the second quarter of the time to the last.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) early: f64,
    pub(super) late: f64,
    /// What a measurement may vary by, in the unit.
    slack: f64,
}

impl Growth {
    pub(super) fn is_flat(&self) -> bool {
        self.late <= self.early * 1.05 + self.slack
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} grew from {:.1} to {:.1} {}",
            self.what, self.early, self.late, self.unit
        )
    }
}

impl Series {
    /// Memory and handles of each kind.
    pub(super) fn growths(&self) -> Vec<Growth> {
        let last = self.samples.last().map(|sample| sample.at);
        let quarter = last.unwrap_or_default() / 4;
        let mut growths = Vec::new();
        for kind in [Kind::Webhook, Kind::Sidecar] {
            let within = |from: Duration, to: Duration, value: fn(&Sample) -> f64| {
                let samples = self.samples.iter();
                let samples = samples
                    .filter(|sample| sample.kind == kind && sample.at >= from && sample.at <= to);
                mean(samples.map(value))
            };
            let growth = |what, unit, slack, value: fn(&Sample) -> f64| Growth {
                what: format!("{what} of the {kind}"),
                unit,
                early: within(quarter, quarter * 2, value),
                late: within(quarter * 3, quarter * 4, value),
                slack,
            };
            growths.push(growth("memory", "MiB", 0.5, |sample| {
                sample.memory / 1024.0
            }));
            growths.push(growth("file handles", "handles", 10.0, |sample| {
                sample.handles
            }));
        }
        growths
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count == 0.0 { 0.0 } else { sum / count }
}
