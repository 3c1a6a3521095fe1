//! docs/soak.md and its plot.

use std::fmt::Write as _;

use e2e::project;

use super::Outcome;
use super::processes::Kind;
use super::stage::SIDECARS;
use crate::machine;
use crate::plot::{Line, svg};

/// The results as a table.
pub(super) fn table(outcome: &Outcome) -> String {
    let mut rows = vec![
        (
            "pods admitted and stored".to_owned(),
            format!(
                "{} injected, {} bare, {} refused for longer than 30 s",
                outcome.admitted.injected, outcome.admitted.bare, outcome.admitted.stuck
            ),
        ),
        (
            "pods that ran".to_owned(),
            format!(
                "{} read their secret and ended, {} did not within 5 min; {} fetched more than once",
                outcome.started.ended, outcome.started.stuck, outcome.started.repeated
            ),
        ),
        (
            format!("{SIDECARS} sidecars"),
            format!("{} stuck or restarted", outcome.stuck_sidecars),
        ),
        (
            "trouble".to_owned(),
            format!(
                "{} new values, {} faults of AWS in {} calls, {} killed replicas",
                outcome.trouble.values,
                outcome.trouble.faults,
                outcome.trouble.calls,
                outcome.trouble.kills
            ),
        ),
        (
            "logs".to_owned(),
            format!(
                "{} lines searched, {} with a secret",
                outcome.logs.lines,
                outcome.logs.found + outcome.started.leaks
            ),
        ),
    ];
    for growth in outcome.processes.growths() {
        let figures = format!(
            "{:.1} {unit} in the second quarter of the time, {:.1} {unit} in the last",
            growth.early,
            growth.late,
            unit = growth.unit
        );
        rows.push((growth.what, figures));
    }
    let mut table = "| | |\n|---|---|\n".to_owned();
    for (what, figures) in rows {
        let _ = writeln!(table, "| {what} | {figures} |");
    }
    if !outcome.admitted.refused.is_empty() {
        table.push_str("\nWhy creations were refused before they were admitted:\n\n");
    }
    for (reason, count) in &outcome.admitted.refused {
        let _ = writeln!(table, "- {count} ×: `{reason}`");
    }
    table
}

/// Writes the page.
pub(super) fn write(outcome: &Outcome) -> anyhow::Result<()> {
    let page = format!(
        "# Soak test\n\n\
         `make soak` installs the webhook on a kind cluster with three replicas and certificates that expire after 60 seconds. For \
         two hours, or as many minutes as `MINUTES` says, it creates and deletes five pods per second, and starts a pod every \
         three seconds that reads its secret and ends. {SIDECARS} pods have a sidecar that refreshes every two seconds. Every ten seconds a secret gets a new value, \
         every five seconds AWS fails some calls in a random way (errors, throttling, closed connections, damaged, late, \
         endless or missing answers), and every minute a replica is killed. One replica is never killed, so that its memory can \
         be watched.\n\n\
         The last run took {} minutes on {}\n\n\
         {}\n\
         ![Memory over time](soak.svg)\n",
        outcome.duration.as_secs() / 60,
        machine::facts(),
        table(outcome),
    );
    let docs = project::root().join("docs");
    std::fs::write(docs.join("soak.md"), page)?;
    std::fs::write(docs.join("soak.svg"), plot(outcome))?;
    e2e::progress::line("==> wrote docs/soak.md and its plot");
    Ok(())
}

fn plot(outcome: &Outcome) -> String {
    let samples = &outcome.processes.samples;
    let mebibytes = |memory: f64| memory / 1024.0;
    let most = samples.iter().map(|sample| mebibytes(sample.memory));
    let most = most.fold(1.0, f64::max);
    let line = |kind, color| Line {
        color,
        dashed: false,
        points: samples
            .iter()
            .filter(|sample| sample.kind == kind)
            .map(|sample| (sample.at.as_secs_f64(), mebibytes(sample.memory)))
            .collect(),
    };
    svg(
        (outcome.duration.as_secs_f64(), most * 1.1),
        &[0.0, most.floor()],
        &format!(
            "memory in MiB over {} minutes; red: webhook; blue: mean of {SIDECARS} sidecars",
            outcome.duration.as_secs() / 60
        ),
        &[line(Kind::Webhook, "#c00"), line(Kind::Sidecar, "#06c")],
    )
}
