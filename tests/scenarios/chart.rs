//! The Helm chart: rendered manifests are valid, and installed objects are removed on uninstall.

use std::collections::BTreeSet;
use std::fs;

use e2e::helm::{chart, helm, template, template_of};
use e2e::install::{self, example_class, service_account};
use e2e::{images, project};

use serde::Deserialize as _;
use serde_json::Value;

use crate::bare::annotated_pod;
use crate::world::World;

/// Sets of values for different platforms.
const VALUES: [&[&str]; 15] = [
    &[],
    &[
        "--set",
        "replicas=1,podDisruptionBudget.enabled=false,policy.enabled=false,classValidation.enabled=false",
    ],
    &[
        "--set",
        "networkPolicy.enabled=true,networkPolicy.apiServers={10.0.0.0/28},priorityClassName=system-cluster-critical,log.format=json,log.level=debug,drain=30s",
    ],
    &[
        "--set",
        "region=us-east-2,injector.env.HTTPS_PROXY=http://proxy:3128,injector.env.NO_PROXY=.svc,injector.image.pullPolicy=Always",
    ],
    &[
        "--set",
        "injector.resources.limits.cpu=1,injector.resources.requests.cpu=1,injector.secretsSizeLimit=64Mi",
    ],
    &[
        "--set",
        "webhook.failurePolicy=Ignore,webhook.timeoutSeconds=3,classValidation.failurePolicy=Fail",
    ],
    &[
        "--set-json",
        r#"webhook.namespaceSelector={"matchLabels":{"team":"shop"},"matchExpressions":[{"key":"env","operator":"In","values":["prod"]}]}"#,
        "--set-json",
        r#"webhook.objectSelector={"matchLabels":{"app":"web"}}"#,
        "--set-json",
        r#"webhook.matchConditions=[{"name":"not-kubelet","expression":"!('system:nodes' in request.userInfo.groups)"}]"#,
    ],
    &[
        "--set-json",
        r#"nodeSelector={"kubernetes.io/os":"linux"}"#,
        "--set-json",
        r#"tolerations=[{"operator":"Exists"}]"#,
        "--set-json",
        r#"affinity={"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"preference":{"matchExpressions":[{"key":"a","operator":"Exists"}]}}]}}"#,
        "--set-json",
        r#"topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"topology.kubernetes.io/zone","whenUnsatisfiable":"ScheduleAnyway"}]"#,
        "--set-json",
        r#"extraEnv=[{"name":"RUST_BACKTRACE","value":"1"}]"#,
        "--set-json",
        r#"imagePullSecrets=[{"name":"registry"}]"#,
        "--set",
        "podLabels.team=platform,commonLabels.team=all,podAnnotations.note=text,serviceAccount.annotations.note=text",
    ],
    &["--set", "fullnameOverride=secrets,crds.install=true"],
    &[
        "--set",
        "certificates.certManager.enabled=true,serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus",
        "--set",
        "alerts.enabled=true,alerts.labels.release=prometheus,dashboard.enabled=true,dashboard.annotations.grafana_folder=AWS,commonLabels.release=all",
    ],
    &[
        "--set",
        "certificates.certManager.enabled=true,certificates.certManager.issuerRef.name=company,certificates.certManager.issuerRef.kind=ClusterIssuer",
    ],
    &[
        "--set",
        "hostNetwork=true,ports.https=10443,ports.health=10080,serviceAccount.create=false,serviceAccount.name=other,podDisruptionBudget.maxUnavailable=1,terminationGracePeriodSeconds=60",
        "--set",
        "image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ],
    // Names that YAML reads as numbers.
    &[
        "--set-string",
        "fullnameOverride=123,nameOverride=456,priorityClassName=7,serviceAccount.name=8",
        "--set",
        "serviceMonitor.enabled=true,alerts.enabled=true,dashboard.enabled=true,certificates.certManager.enabled=true",
    ],
    // Truncated names end with a valid character.
    &[
        "--set",
        "fullnameOverride=a-name-of-fifty-characters-that-ends-with-hyphen--here",
    ],
    // Numbers from values files, where Kubernetes expects text.
    &[
        "--set-json",
        r#"injector={"secretsSizeLimit":16777216,"env":{"RETRIES":3,"ACCOUNT":111122223333,"DEBUG":true}}"#,
        "--set-json",
        r#"commonLabels={"cost-center":12345678}"#,
        "--set-json",
        r#"podLabels={"tier":1}"#,
        "--set-json",
        r#"podAnnotations={"checked":true}"#,
        "--set-json",
        r#"serviceAccount={"annotations":{"number":20000000}}"#,
        "--set-json",
        r#"nodeSelector={"pool":1}"#,
        "--set-json",
        r#"alerts={"enabled":true,"filesAgeSeconds":86400000}"#,
    ],
];

pub(crate) fn values(world: &World) {
    let namespace = world.namespace("chart-values");
    for values in VALUES {
        let text = template(&namespace.name, values).unwrap();
        assert!(!text.contains("e+0"), "{values:?}: a number as a float");
        // kubectl takes the last of two equal keys, kustomize refuses them.
        for document in serde_yaml::Deserializer::from_str(&text) {
            let read = serde_yaml::Value::deserialize(document);
            assert!(read.is_ok(), "{values:?}: {}", read.unwrap_err());
        }
        let file = project::target().join("manifests/chart-values.yaml");
        fs::create_dir_all(project::target().join("manifests")).unwrap();
        fs::write(&file, text).unwrap();
        let applied = world.kubectl.run(&[
            "apply",
            "--dry-run=server",
            "-f",
            &file.display().to_string(),
        ]);
        if let Err(error) = applied {
            panic!("{values:?}: {error:#}");
        }
    }
}

/// Names that YAML does not read as text.
pub(crate) fn names(_: &World) {
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
pub(crate) fn environment(_: &World) {
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
    let mut documents = serde_yaml::Deserializer::from_str(manifests)
        .map(|document| Value::deserialize(document).unwrap());
    let deployment = documents
        .find(|document| document["kind"] == "Deployment")
        .unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    container["env"].as_array().unwrap().clone()
}

/// Helm and the API server merge lists by name: a duplicate is lost in an upgrade.
pub(crate) fn own_variables(_: &World) {
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
pub(crate) fn dependency(_: &World) {
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

pub(crate) fn bad_values(_: &World) {
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

/// All cluster-scoped objects, by kind and name.
fn everything(world: &World, namespace: &str) -> BTreeSet<String> {
    let kinds = [
        "clusterroles",
        "clusterrolebindings",
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ];
    let kinds_of_namespace = [
        "secrets",
        "serviceaccounts",
        "services",
        "deployments",
        "roles",
        "rolebindings",
        "poddisruptionbudgets",
        "networkpolicies",
    ];
    let cluster = world.kubectl.run(&["get", &kinds.join(","), "-o", "name"]);
    let own = world.kubectl.run(&[
        "-n",
        namespace,
        "get",
        &kinds_of_namespace.join(","),
        "-o",
        "name",
    ]);
    let text = cluster.unwrap() + &own.unwrap();
    text.lines().map(str::to_owned).collect()
}

/// `helm test`: its pod is injected, reads the example's files and is then removed; with a wrong class it fails.
fn tested(world: &World, namespace: &str) {
    let test = || {
        let arguments = ["test", "life", "--namespace", namespace, "--timeout", "2m"];
        helm(Some(&world.kubectl), &arguments)
    };
    let printed = test().unwrap();
    assert!(printed.contains("Succeeded"), "{printed}");
    let class = "test.secretProviderClass=missing";
    let chart = chart().display().to_string();
    let upgrade = [
        "upgrade",
        "life",
        &chart,
        "--namespace",
        namespace,
        "--wait",
    ];
    let values = ["--reset-then-reuse-values", "--set", class];
    helm(Some(&world.kubectl), &[&upgrade[..], &values].concat()).unwrap();
    let error = test().unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
}

pub(crate) fn life(world: &World) {
    let namespace = world.namespace("chart-life");
    let apps = world.namespace_with("chart-apps", "chart: life");
    let before = everything(world, &namespace.name);
    let chart = chart().display().to_string();
    let common = format!(
        "{},webhook.namespaceSelector.matchLabels.chart=life,test.secretProviderClass=aws-secrets,test.namespace={},test.image={}",
        install::values(&world.aws.stand_in.url()),
        apps.name,
        images::APP
    );
    let run = |verb: &[&str], values: &[&str]| {
        let target = [
            "--namespace",
            namespace.name.as_str(),
            "--wait",
            "--timeout",
            "3m",
            "--set",
            &common,
        ];
        helm(Some(&world.kubectl), &[verb, &target, values].concat()).unwrap()
    };
    run(&["install", "life", &chart], &["--set", "replicas=1"]);
    apps.apply(&[
        &service_account("default"),
        &example_class("v1"),
        &annotated_pod("first"),
    ])
    .unwrap();
    run(
        &["upgrade", "life", &chart],
        &[
            "--set",
            "replicas=2,networkPolicy.enabled=true,log.format=json",
        ],
    );
    apps.apply(&[&annotated_pod("second")]).unwrap();
    for pod in ["pod/first", "pod/second"] {
        apps.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", pod])
            .unwrap();
    }
    tested(world, &namespace.name);
    helm(
        Some(&world.kubectl),
        &[
            "uninstall",
            "life",
            "--namespace",
            &namespace.name,
            "--wait",
        ],
    )
    .unwrap();
    let after = everything(world, &namespace.name);
    let left: Vec<_> = after.difference(&before).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
