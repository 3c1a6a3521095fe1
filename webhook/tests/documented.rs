//! `docs/webhook.md` and the README leave nothing out.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_secrets_webhook::Args;
use aws_secrets_webhook::annotations::KNOWN;
use aws_secrets_webhook::metrics::{Metrics, Outcome};
use aws_secrets_webhook::review::PODS;
use aws_secrets_webhook::stores::StoreState;
use certs::{Problem, Status};
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
        let row = format!("| `--{flag}` | `{variable}` |");
        assert!(docs.contains(&row), "{row}");
    }
}

#[test]
fn every_metric() {
    let docs = text("docs/webhook.md");
    let metrics = Metrics::default();
    metrics.reviewed(PODS, Outcome::Injected, Duration::ZERO);
    let store = StoreState {
        kind: "ServiceAccount",
        objects: 1,
        synced: true,
        can_answer: true,
        failures: 0,
    };
    let rendered = metrics.render(&[store], &Status::default(), true);
    let names = rendered
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let mut count = 0;
    for name in names {
        assert!(docs.contains(name), "{name}");
        count += 1;
    }
    assert!(count > 8);
}

#[test]
fn every_problem_of_certificates() {
    let docs = text("docs/troubleshooting.md");
    for reason in Problem::REASONS {
        assert!(docs.contains(&format!("`{reason}`")), "{reason}");
    }
}

/// The reasons are where the words for them are made.
#[test]
fn every_reason_of_a_refusal() {
    let docs = text("docs/troubleshooting.md");
    let source = text("webhook/src/refusal.rs");
    let words = source
        .lines()
        .filter_map(|line| line.split_once(" => \"")?.1.strip_suffix("\","));
    let mut count = 0;
    for reason in words {
        assert!(docs.contains(&format!("| `{reason}` |")), "{reason}");
        count += 1;
    }
    assert!(count > 10);
}

#[test]
fn every_annotation() {
    let readme = text("README.md");
    for name in KNOWN {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
