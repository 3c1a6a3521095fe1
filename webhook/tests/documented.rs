//! The documents about the webhook leave nothing out, and what they quote is what it says.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use aws_secrets_webhook::Args;
use aws_secrets_webhook::admission::Refusal;
use aws_secrets_webhook::pod::annotations::{ANNOTATIONS, CLASSES, PREFIX, PodRequest};
use certs::Problem;
use clap::CommandFactory as _;

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

#[test]
fn every_setting() {
    let docs = text("docs/webhook.md");
    for argument in Args::command().get_arguments() {
        let Some(flag) = argument
            .get_long()
            .filter(|flag| !matches!(*flag, "help" | "version"))
        else {
            continue;
        };
        let variable = argument.get_env().unwrap().to_str().unwrap();
        let default = argument.get_default_values().first();
        let default = default.map(|value| format!(" {} |", value.to_str().unwrap()));
        let row = format!(
            "| `--{flag}` | `{variable}` |{}",
            default.unwrap_or_default()
        );
        assert!(docs.contains(&row), "{row}");
    }
}

/// Where the program has a default, the installation sets no other value.
#[test]
fn the_installation_sets_the_defaults() {
    let manifests = text("manifests/install.yaml");
    let (mut same, lines) = (0, manifests.lines().map(str::trim).collect::<Vec<_>>());
    for argument in Args::command().get_arguments() {
        let Some(default) = argument.get_default_values().first() else {
            continue;
        };
        let name = format!("- name: {}", argument.get_env().unwrap().display());
        let Some(index) = lines.iter().position(|line| *line == name) else {
            continue;
        };
        if let Some(value) = lines[index + 1].strip_prefix("value: ") {
            assert_eq!(value.trim_matches('"'), default, "{name}");
            same += 1;
        }
    }
    assert!(same >= 8, "only {same} are compared");
}

#[test]
fn every_problem_of_certificates() {
    let docs = text("docs/messages/webhook.md");
    for reason in Problem::REASONS {
        assert!(docs.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn every_reason_of_a_refusal() {
    let docs = text("docs/troubleshooting.md");
    for reason in Refusal::REASONS {
        assert!(docs.contains(&format!("| `{reason}` |")), "{reason}");
    }
}

/// Rows of a page's tables, as cells.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
}

fn code(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// What the webhook makes of one annotation, next to a class.
fn read(name: &str, value: &str) -> Result<PodRequest, String> {
    let class = (CLASSES.to_owned(), "shop".to_owned());
    let annotation = (format!("{PREFIX}{name}"), value.to_owned());
    // on-refresh and the port say how a refresh goes, and env-method how variables are set.
    let refresh = (format!("{PREFIX}refresh-interval"), "5m".to_owned());
    let variables = (format!("{PREFIX}env"), "A=a".to_owned());
    let objects = "- {objectName: a, objectType: ssmparameter}".to_owned();
    let objects = (format!("{PREFIX}objects"), objects);
    let annotations = BTreeMap::from([class, objects, refresh, variables, annotation]);
    let read = PodRequest::read(&annotations);
    read.map(|request| request.unwrap()).map_err(|errors| {
        let errors = errors.iter().map(ToString::to_string);
        errors.collect::<Vec<_>>().join("\n")
    })
}

const SET_BY_WEBHOOK: [&str; 3] = ["status", "replaced-volumes", "replaced-parameters"];

#[test]
fn every_annotation_with_an_example_that_works() {
    let page = text("docs/annotations.md");
    for annotation in &ANNOTATIONS {
        let (name, example) = (annotation.name, annotation.example);
        let row = format!(
            "\n| `{name}` | {} | {} | `{example}` |\n",
            annotation.values, annotation.default
        );
        assert!(page.contains(&row), "not in docs/annotations.md: {row}");
        if SET_BY_WEBHOOK.contains(&name) {
            continue;
        }
        let request = read(name, example).unwrap();
        assert!(request.warnings.is_empty(), "{:?}", request.warnings);
        let without = read("status", "injected").unwrap();
        // What is done with the pod's own volumes is no part of its request.
        let is_of_volumes = name == "csi-volumes";
        assert!(
            request != without || is_of_volumes,
            "{name}: {example} changes nothing"
        );
    }
    let rows = rows(&page).filter(|cells| cells.len() == 4);
    assert_eq!(rows.count(), ANNOTATIONS.len());
}

fn names() -> BTreeSet<&'static str> {
    let names = ANNOTATIONS.iter().map(|annotation| annotation.name);
    names.collect()
}

#[test]
fn bad_annotations_are_refused_in_the_words_of_the_page() {
    let page = text("docs/annotations.md");
    let mut names = names();
    names.retain(|name| !SET_BY_WEBHOOK.contains(name));
    // Its mistakes are those of a class.
    names.remove("objects");
    for cells in rows(&page).filter(|cells| cells.len() == 3) {
        let [name, value, message] = [cells[0], cells[1], cells[2]].map(code);
        let error = read(name, value).unwrap_err();
        assert_eq!(error, format!("annotation {PREFIX}{name}: {message}"));
        names.remove(name);
    }
    assert!(
        names.is_empty(),
        "without an example of bad input: {names:?}"
    );
}

/// The README has the most used, by their full meaning elsewhere: none that does not exist.
#[test]
fn annotations_of_the_readme_exist() {
    let readme = text("README.md");
    let section = readme.split("### Annotations").nth(1).unwrap();
    let section = section.split("\n#").next().unwrap();
    let mut count = 0;
    for cells in rows(section) {
        assert!(names().contains(code(cells[0])), "{}", cells[0]);
        count += 1;
    }
    assert!(count > 2);
}
