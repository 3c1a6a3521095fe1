//! The PrometheusRule.

use std::collections::BTreeSet;

use crate::exported::{by_the_sidecar, by_the_webhook, samples};
use crate::prometheus::{evaluate, now};
use crate::{page, rendered};

/// The rules as in a file of Prometheus.
fn rules(values: &str) -> String {
    let rule = rendered("PrometheusRule", &format!("alerts.enabled=true,{values}"));
    serde_yaml::to_string(&rule["spec"]).unwrap()
}

/// The names of the alerts that fire.
fn firing(rules: &str, overrides: &[(&str, &str)]) -> BTreeSet<String> {
    let firing = evaluate(rules, &[], overrides).firing.into_iter();
    firing
        .map(|alert| alert.split('{').next().unwrap_or_default().to_owned())
        .collect()
}

fn names(rules: &str) -> BTreeSet<String> {
    let lines = rules
        .lines()
        .map(|line| line.trim_start_matches([' ', '-']));
    let names = lines.filter_map(|line| line.strip_prefix("alert: "));
    names.map(str::to_owned).collect()
}

/// Alerts, and the series with which exactly they fire: a metric and its values.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

#[test]
fn every_alert_fires_for_its_cause_alone() {
    let rules = rules("");
    let none = firing(&rules, &[]);
    assert_eq!(none, BTreeSet::new(), "all is well");
    let tomorrow = format!("{}+0x120", now() + 86_400);
    let an_hour_and_a_half_ago = format!("{}+0x120", now() - 5400);
    let cases: [Case<'_>; 9] = [
        (
            &["AwsSecretsWebhookDown", "AwsSecretsWebhookReplicaNotReady"],
            &[("aws_secrets_webhook_ready", "0+0x120")],
        ),
        (
            &["AwsSecretsWebhookDown"],
            &[("aws_secrets_webhook_ready", "1x100 _x20")],
        ),
        (
            &["AwsSecretsWebhookLookupsFail"],
            &[("lookup-failed", "0+1x120")],
        ),
        (
            &["AwsSecretsWebhookWatchFails"],
            &[("watch_failures", "1+1x120")],
        ),
        (
            &["AwsSecretsWebhookSlow"],
            &[("le=\"+Inf\"", "0+1x120"), ("_bucket", "0+0x120")],
        ),
        (
            &["AwsSecretsWebhookCertificateProblem"],
            &[("certificate_problem{reason=\"clock\"}", "1+0x120")],
        ),
        (
            &["AwsSecretsWebhookCertificateExpiresSoon"],
            &[(
                "expiry_timestamp_seconds{certificate=\"serving\"}",
                &tomorrow,
            )],
        ),
        (
            &["AwsSecretsRefreshFails"],
            &[
                ("result=\"failure\"", "0+1x120"),
                ("result=\"success\"", "1+0x120"),
            ],
        ),
        (
            &["AwsSecretsFilesAreOld"],
            &[("last_success", &an_hour_and_a_half_ago)],
        ),
    ];
    let mut fired = BTreeSet::new();
    for (expected, overrides) in cases {
        let found = firing(&rules, overrides);
        let expected = expected.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(found, expected, "{overrides:?}");
        fired.extend(found);
    }
    assert_eq!(fired, names(&rules));
}

#[test]
fn thresholds_are_values() {
    let rules = rules("alerts.filesAgeSeconds=7200,alerts.certificateExpirySeconds=43200");
    let tomorrow = format!("{}+0x120", now() + 86_400);
    let an_hour_and_a_half_ago = format!("{}+0x120", now() - 5400);
    let overrides: [(&str, &str); 2] = [
        ("expiry_timestamp_seconds", &tomorrow),
        ("last_success", &an_hour_and_a_half_ago),
    ];
    assert_eq!(firing(&rules, &overrides), BTreeSet::new());
}

#[test]
fn a_refresh_that_recovers_is_no_alert() {
    let overrides = [("result=\"failure\"", "0x100 1x20")];
    assert_eq!(firing(&rules(""), &overrides), BTreeSet::new());
}

/// Also a metric that an alert compares with nothing, such as in `unless`.
#[test]
fn alerts_use_metrics_that_exist() {
    let [webhook, sidecar] = [by_the_webhook(), by_the_sidecar()];
    let names: BTreeSet<&str> = [&webhook, &sidecar]
        .into_iter()
        .flat_map(|text| samples(text).into_iter().map(|sample| sample.name()))
        .collect();
    let rules = rules("");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = rules.split(|c| !is_name(c));
    let used: Vec<&str> = words
        .filter(|word| word.starts_with("aws_secrets_"))
        .collect();
    assert!(used.len() > 8);
    for word in used {
        assert!(names.contains(word), "{word}");
    }
}

#[test]
fn every_alert_is_documented() {
    let page = page("docs/operations.md").text;
    for name in names(&rules("")) {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}
