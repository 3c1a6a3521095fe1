//! The Grafana dashboard.

use std::collections::BTreeSet;
use std::process::Command;

use e2e::command::run;
use e2e::{go, helm};
use serde_json::Value;

use crate::prometheus::assert_results;
use crate::rendered;

/// The columns of Grafana's grid.
const COLUMNS: u64 = 24;

fn dashboard() -> Value {
    let config = rendered("ConfigMap", "dashboard.enabled=true");
    let text = config["data"]["aws-secrets-injector.json"].as_str();
    serde_json::from_str(text.unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn grafana_reads_it() {
    let program = go::own_tool(go::PROGRAMS, "dashboard").unwrap();
    run(Command::new(program).arg(helm::chart().join("files/dashboard.json"))).unwrap();
}

#[test]
fn the_sidecar_of_grafana_finds_it() {
    let config = rendered("ConfigMap", "dashboard.enabled=true");
    assert_eq!(config["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(config["metadata"]["namespace"], "release");
    let values = "dashboard.enabled=true,dashboard.namespace=monitoring,dashboard.annotations.grafana_folder=AWS";
    let config = rendered("ConfigMap", values);
    assert_eq!(config["metadata"]["namespace"], "monitoring");
    assert_eq!(config["metadata"]["annotations"]["grafana_folder"], "AWS");
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in list(&dashboard["panels"]) {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let [x, y, width, height] =
            ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + width <= COLUMNS, "{title}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(
                cells.insert(cell),
                "{title} overlaps another panel at {cell:?}"
            );
        }
    }
    assert!(ids.len() > 10);
}

/// A data source of the author's Grafana would not exist in a user's.
#[test]
fn every_query_uses_the_chosen_data_source() {
    let dashboard = dashboard();
    let variables = list(&dashboard["templating"]["list"]);
    let chosen = |variable: &&Value| variable["type"] == "datasource";
    let variable = variables.iter().find(chosen).unwrap();
    assert_eq!(variable["query"], "prometheus");
    let name = format!("${{{}}}", variable["name"].as_str().unwrap());
    let panels = list(&dashboard["panels"]).iter();
    let targets = panels.clone().flat_map(|panel| list(&panel["targets"]));
    let queried = panels.filter(|panel| panel["type"] != "row");
    let other_variables = variables.iter().filter(|variable| !chosen(variable));
    for user in queried.chain(targets).chain(other_variables) {
        assert_eq!(user["datasource"]["uid"], name, "{user}");
    }
}

#[test]
fn every_panel_has_results() {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for panel in list(&dashboard["panels"]) {
        let targets = list(&panel["targets"]);
        assert_eq!(
            targets.is_empty(),
            panel["type"] == "row",
            "{}",
            panel["title"]
        );
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            let query = query
                .replace("$__rate_interval", "5m")
                .replace("$__range", "1h")
                .replace("$namespace", ".*");
            assert!(!query.contains('$'), "an unknown variable: {query}");
            queries.push(query);
        }
    }
    assert_results(&queries);
}
