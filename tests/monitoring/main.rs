//! The chart's alerts and dashboard, and the queries of the documentation, on the metrics that the programs export. Prometheus's
//! own parser and engine evaluate them, and Grafana's own types read the dashboard.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

mod alerts;
mod dashboard;
mod exported;
mod prometheus;

use e2e::documents::pages;
use e2e::helm;
use serde_json::Value;

/// The document of a kind that the chart's monitoring has with these values.
fn rendered(kind: &str, values: &str) -> Value {
    let show = ["--set", values, "--show-only", "templates/monitoring.yaml"];
    let text = helm::template("release", &show).unwrap();
    let documents: Vec<Value> = serde_yaml::from_multiple(&text).unwrap();
    let mut documents = documents.into_iter();
    documents.find(|document| document["kind"] == kind).unwrap()
}

fn page(path: &str) -> e2e::documents::Page {
    pages()
        .unwrap()
        .into_iter()
        .find(|page| page.path == path)
        .unwrap()
}

#[test]
fn every_metric_is_documented() {
    for (text, path) in [
        (exported::by_the_webhook(), "docs/operations.md"),
        (exported::by_the_sidecar(), "docs/rotation.md"),
    ] {
        let page = page(path).text;
        let samples = exported::samples(&text);
        assert!(samples.len() > 4);
        for sample in samples {
            let name = sample.name();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            assert!(
                page.contains(&format!("| `{family}` |")),
                "{path}: {family}"
            );
        }
    }
}

#[test]
fn every_query_of_the_documentation_has_results() {
    let mut queries = Vec::new();
    for page in pages().unwrap() {
        let blocks = page.blocks().into_iter();
        for block in blocks.filter(|block| block.language == "promql") {
            queries.extend(block.text.lines().map(str::to_owned));
        }
    }
    assert!(queries.len() > 5);
    prometheus::assert_results(&queries);
}
