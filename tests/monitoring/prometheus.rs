//! Prometheus's parser and engine, as a program.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::command::run;
use e2e::go;
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use crate::exported::{Sample, by_the_sidecar, by_the_webhook, samples};

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| go::own_tool(go::PROGRAMS, "promql").unwrap());

/// What Prometheus finds at the end of the series.
#[derive(Deserialize)]
pub(crate) struct Found {
    /// The alerts that fire, with their labels.
    pub(crate) firing: Vec<String>,
    /// The number of results of each query.
    results: Vec<usize>,
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// The samples of both programs over two hours, a minute apart: counters grow, gauges stay. An override is a part of a series
/// and its samples instead, in Prometheus's notation; the first one that fits is used.
fn series(overrides: &[(&str, &str)]) -> Vec<String> {
    let with_samples = |sample: Sample<'_>, labels: &str| {
        let Sample { series, value } = sample;
        let mut overrides = overrides.iter();
        let is_counter = ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .any(|end| sample.name().ends_with(end));
        let samples = match overrides.find(|(part, _)| series.contains(part)) {
            Some((_, samples)) => (*samples).to_owned(),
            None if is_counter && !series.contains("lookup-failed") => format!("0+{value}x120"),
            None => format!("{value}+0x120"),
        };
        let own = series.split_once('{').map_or("", |(_, own)| own);
        let own = own.trim_end_matches('}');
        format!("{}{{{labels},{own}}} {samples}", sample.name())
    };
    let [webhook, sidecar] = [by_the_webhook(), by_the_sidecar()];
    let webhook = samples(&webhook)
        .into_iter()
        .map(|sample| with_samples(sample, r#"namespace="system",pod="webhook-1""#));
    let sidecar = samples(&sidecar)
        .into_iter()
        .map(|sample| with_samples(sample, r#"namespace="shop",pod="web-1""#));
    webhook.chain(sidecar).collect()
}

/// Evaluates rules and queries.
pub(crate) fn evaluate(rules: &str, queries: &[String], overrides: &[(&str, &str)]) -> Found {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("input.json");
    let input = json!({
        "at": now(), "rules": rules, "queries": queries, "series": series(overrides),
    });
    fs::write(&file, input.to_string()).unwrap();
    let printed = run(Command::new(&*PROGRAM).arg(&file)).unwrap();
    serde_json::from_str(&printed).unwrap()
}

/// Each query is valid and has results: it selects series by names and labels that the programs export.
pub(crate) fn assert_results(queries: &[String]) {
    let found = evaluate("", queries, &[]).results;
    assert_eq!(found.len(), queries.len());
    for (query, results) in queries.iter().zip(found) {
        assert!(results > 0, "no result: {query}");
    }
}
