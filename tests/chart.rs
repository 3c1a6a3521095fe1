//! What Helm renders from the chart. The scenarios install it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

use std::collections::BTreeSet;
use std::fs;

use e2e::helm::{chart, template, template_of};
use e2e::project;
use serde_json::Value;

/// Names that YAML does not read as text.
#[test]
fn it_is_valid_with_any_name() {
    for name in ["123", "true"] {
        let text = template(name, &[]).unwrap();
        for place in [
            format!("namespace: \"{name}\""),
            format!("app.kubernetes.io/instance: \"{name}\""),
            format!("values: [\"{name}\", kube-system]"),
        ] {
            assert!(text.contains(&place), "{place}");
        }
    }
}

/// The webhook parses the environment variables that the chart sets in its pod.
#[test]
fn it_gives_variables_on_as_they_are() {
    let env = r#"injector.env={"A":"x$$y $(POD_NAME)","B":" 1 = 2 ","C":"\"quoted\" \\ ü","D":""}"#;
    let text = template("release", &["--set-json", env]).unwrap();
    let variables = variables(&text);
    let variable = variables
        .iter()
        .find(|variable| variable["name"] == "INJECTOR_ENV")
        .unwrap();
    // The kubelet replaces two dollar signs with one.
    let value = variable["value"].as_str().unwrap().replace("$$", "$");
    assert_eq!(
        value,
        "A=x$$y $(POD_NAME)\nB= 1 = 2 \nC=\"quoted\" \\ ü\nD="
    );
}

/// Environment variables of the webhook's container.
fn variables(manifests: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_yaml::from_multiple(manifests).unwrap();
    let deployment = documents
        .iter()
        .find(|document| document["kind"] == "Deployment")
        .unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    container["env"].as_array().unwrap().clone()
}

/// Helm and the API server merge lists by name: a duplicate is lost in an upgrade.
#[test]
fn it_refuses_its_own_variables_as_extra_ones() {
    let schema = fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let refused = &schema["properties"]["extraEnv"]["items"]["properties"]["name"]["not"]["enum"];
    let refused: BTreeSet<_> = refused
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    let all = "region=us-east-2,log.level=debug,injector.env.A=b,injector.image.pullPolicy=Always,injector.resources.limits.cpu=1,secretObjects.sync=true";
    let mut own = BTreeSet::new();
    for certificates in ["true", "false"] {
        let values = format!("{all},certificates.certManager.enabled={certificates}");
        let text = template("release", &["--set", &values]).unwrap();
        own.extend(
            variables(&text)
                .into_iter()
                .map(|variable| variable["name"].to_string()),
        );
    }
    assert_eq!(own, refused);
}

/// The chart as a dependency of another chart, where Helm adds its own values.
#[test]
fn it_can_be_a_part_of_another() {
    let folder = project::target().join("chart-dependency");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("charts")).unwrap();
    std::os::unix::fs::symlink(chart(), folder.join("charts/aws-secrets-injector")).unwrap();
    let name = "aws-secrets-injector";
    let description = format!(
        "apiVersion: v2\nname: platform\nversion: 1.0.0\ndependencies:\n  - name: {name}\n    version: {}\n    condition: {name}.enabled\n",
        env!("CARGO_PKG_VERSION")
    );
    fs::write(folder.join("Chart.yaml"), description).unwrap();
    let rendered = |enabled: bool| {
        let values = format!("global.team=shop,{name}.enabled={enabled},{name}.replicas=3");
        template_of(&folder, "platform", &["--set", &values]).unwrap()
    };
    assert!(rendered(true).contains("replicas: 3"));
    assert!(!rendered(false).contains("kind:"));
}

#[test]
fn it_refuses_values_that_it_does_not_know() {
    for (values, words) in [
        ("replica=3", "replica"),
        ("webhook.failurePolicy=Maybe", "failurePolicy"),
        ("webhook.timeoutSeconds=60", "timeoutSeconds"),
        ("injector.env.A B=x", "A B"),
        ("injector.env.A=one\ntwo", "env"),
        ("injector.image.repository=null", "repository"),
        ("injector.secretsSizeLimit=0", "secretsSizeLimit"),
        ("injector.resources.requests.cpu=some", "cpu"),
        ("injector=null", "injector"),
        ("drain=5xyz", "drain"),
        ("extraEnv[0].name=LISTEN,extraEnv[0].value=x", "extraEnv"),
        ("podDisruptionBudget.minAvailable=null", "minAvailable"),
        ("podLabels.app\\.kubernetes\\.io/name=x", "podLabels"),
        ("serviceMonitor.interval=30", "interval"),
        ("alerts.filesAgeSeconds=1h", "filesAgeSeconds"),
        ("dashboard.labels=null", "labels"),
        (
            "ports.https=9000,ports.health=9000",
            "ports.https and ports.health must be different",
        ),
        ("webhook.objectSelector.matchLabel.a=b", "matchLabel"),
        ("injector.env.AWS_REGION=eu-central-1", "AWS_REGION"),
        ("image.digest=0123", "digest"),
        ("ports.https=443", "https"),
        ("serviceAccount.create=false", "serviceAccount.name"),
        (
            "certificates.authorityLifetime=forever",
            "authorityLifetime",
        ),
    ] {
        let error = template("release", &["--set", values])
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{values}: {error}");
    }
}
