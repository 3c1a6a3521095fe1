//! What Helm renders from the chart. The scenarios install it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

use std::collections::BTreeSet;
use std::fs;

use e2e::helm::{chart, template, template_of};
use e2e::project;
use serde_json::{Value, json};

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
    let all = "region=us-east-2,log.level=debug,injector.env.A=b,injector.image.pullPolicy=Always,injector.resources.limits.cpu=1,secretObjects.sync=true,csiVolumes=replace,openshift=true,identity=auto,defaults.refresh-interval=1h,namespaceDefaults=true,sharedClasses.namespaces={platform},allowObjects=false,injector.caBundle=-----BEGIN CERTIFICATE-----";
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
        ("injector.caBundle=/etc/ssl/proxy.pem", "caBundle"),
        ("injector.caBundle=-----BEGIN PRIVATE KEY-----", "caBundle"),
        ("injector.env.CA_BUNDLE=x", "CA_BUNDLE"),
        ("drain=5xyz", "drain"),
        ("identity=pod-identity", "identity"),
        ("defaults.env=A=b", "defaults"),
        ("sharedClasses.namespaces={A/b}", "namespaces"),
        ("csiVolumes=always", "csiVolumes"),
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

fn rendered(values: &str) -> Vec<Value> {
    let text = template("release", &["--set-json", values]).unwrap();
    serde_yaml::from_multiple(&text).unwrap()
}

fn named<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut documents = documents.iter();
    let found =
        documents.find(|document| document["kind"] == kind && document["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn one_registry_can_serve_all_images() {
    let values = r#"global={"imageRegistry":"mirror.example.com:5000/a/"},test={"secretProviderClass":"c","namespace":"shop"}"#;
    let documents = rendered(values);
    let container = &named(&documents, "Deployment", "release-aws-secrets-injector")["spec"]["template"]
        ["spec"]["containers"][0];
    let injector = container["env"].as_array().unwrap().iter();
    let injector = injector
        .clone()
        .find(|variable| variable["name"] == "INJECTOR_IMAGE");
    let test = named(&documents, "Pod", "release-aws-secrets-injector-test");
    let version = env!("CARGO_PKG_VERSION");
    for (image, name) in [
        (
            &container["image"],
            format!("aws-secrets-injector/webhook:{version}"),
        ),
        (
            &injector.unwrap()["value"],
            format!("aws-secrets-injector/injector:{version}"),
        ),
        (
            &test["spec"]["containers"][0]["image"],
            "docker/library/busybox:stable".to_owned(),
        ),
    ] {
        assert_eq!(*image, format!("mirror.example.com:5000/a/{name}"));
    }
}

#[test]
fn annotations_reach_all_objects_beside_their_own() {
    let values = r#"commonAnnotations={"team":1},webhook.annotations={"wave":"2"},dashboard.enabled=true,podMonitor.enabled=true,serviceMonitor.enabled=true,alerts.enabled=true,networkPolicy.enabled=true,test={"secretProviderClass":"c","namespace":"shop"}"#;
    for certificates in ["true", "false"] {
        let values = format!("{values},certificates.certManager.enabled={certificates}");
        let documents = rendered(&values);
        assert!(documents.len() > 20);
        for document in &documents {
            let annotations = &document["metadata"]["annotations"];
            assert_eq!(annotations["team"], "1", "{}", document["kind"]);
            let is_webhook = document["kind"]
                .to_string()
                .contains("WebhookConfiguration");
            assert_eq!(
                annotations["wave"] == "2",
                is_webhook,
                "{}",
                document["kind"]
            );
            let is_issued = is_webhook && certificates == "true";
            assert_eq!(
                annotations["cert-manager.io/inject-ca-from"].is_string(),
                is_issued
            );
        }
    }
}

#[test]
fn what_a_platform_adds_reaches_its_place() {
    let values = r#"dnsPolicy="None",dnsConfig={"nameservers":["10.0.0.1"]},hostAliases=[{"ip":"10.0.0.2","hostnames":["a"]}],revisionHistoryLimit=0,schedulerName="s",runtimeClassName="r",extraVolumes=[{"name":"x","emptyDir":{}}],extraVolumeMounts=[{"name":"x","mountPath":"/x"}],extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{ .Release.Name }}-more"}}],serviceMonitor={"enabled":true,"namespace":"monitoring","scrapeTimeout":"5s","relabelings":[{"action":"labeldrop","regex":"pod"}]},podMonitor={"enabled":true,"interval":"1m"}"#;
    let documents = rendered(values);
    let deployment = named(&documents, "Deployment", "release-aws-secrets-injector");
    assert_eq!(deployment["spec"]["revisionHistoryLimit"], 0);
    let pod = &deployment["spec"]["template"]["spec"];
    for (field, value) in [
        ("dnsPolicy", json!("None")),
        ("dnsConfig", json!({"nameservers": ["10.0.0.1"]})),
        (
            "hostAliases",
            json!([{"ip": "10.0.0.2", "hostnames": ["a"]}]),
        ),
        ("schedulerName", json!("s")),
        ("runtimeClassName", json!("r")),
        ("volumes", json!([{"name": "x", "emptyDir": {}}])),
    ] {
        assert_eq!(pod[field], value, "{field}");
    }
    assert_eq!(
        pod["containers"][0]["volumeMounts"],
        json!([{"name": "x", "mountPath": "/x"}])
    );
    named(&documents, "ConfigMap", "release-more");
    let monitor = named(&documents, "ServiceMonitor", "release-aws-secrets-injector");
    assert_eq!(monitor["metadata"]["namespace"], "monitoring");
    // The monitor selects the Service in the release's namespace.
    assert_eq!(
        monitor["spec"]["namespaceSelector"],
        json!({"matchNames": ["release"]})
    );
    let endpoint = json!({"port": "metrics", "interval": "30s", "scrapeTimeout": "5s", "relabelings": [{"action": "labeldrop", "regex": "pod"}]});
    assert_eq!(monitor["spec"]["endpoints"], json!([endpoint]));
    let sidecars = named(
        &documents,
        "PodMonitor",
        "release-aws-secrets-injector-refreshers",
    );
    assert_eq!(
        sidecars["spec"]["podMetricsEndpoints"],
        json!([{"port": "refresh-metrics", "interval": "1m"}])
    );
}

/// On a cluster without the driver nobody else gives these permissions.
#[test]
fn classes_are_a_part_of_the_usual_roles_unless_told_otherwise() {
    let documents = rendered("commonLabels={}");
    for (name, labels, may_write) in [
        ("view", &["view"][..], false),
        ("edit", &["edit", "admin"], true),
    ] {
        let role = named(
            &documents,
            "ClusterRole",
            &format!("release-aws-secrets-injector-{name}"),
        );
        for label in labels {
            let label = format!("rbac.authorization.k8s.io/aggregate-to-{label}");
            assert_eq!(role["metadata"]["labels"][&label], "true", "{label}");
        }
        let verbs = role["rules"][0]["verbs"].as_array().unwrap();
        assert!(verbs.contains(&json!("get")));
        assert_eq!(verbs.contains(&json!("create")), may_write);
    }
    let documents = rendered("rbac.aggregate=false");
    let roles = documents
        .iter()
        .filter(|document| document["kind"] == "ClusterRole");
    assert_eq!(roles.count(), 1);
}

/// OpenShift refuses a user that it has not assigned itself.
#[test]
fn on_openshift_the_webhook_names_no_user() {
    let documents = rendered("openshift=true");
    let deployment = named(&documents, "Deployment", "release-aws-secrets-injector");
    let security = &deployment["spec"]["template"]["spec"]["securityContext"];
    assert_eq!(
        *security,
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
    );
}
