//! The Helm chart: rendered manifests are valid, and installed objects are removed on uninstall.

use std::collections::BTreeSet;
use std::fs;

use e2e::helm::{chart, helm, template};
use e2e::install::{example_class, service_account};
use e2e::{images, project};
use serde_json::Value;

use crate::bare::annotated_pod;
use crate::release;
use crate::world::World;

/// Sets of values for different platforms.
const VALUES: [&[&str]; 17] = [
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
    &[
        "--set",
        "global.imageRegistry=registry.example.com:5000/mirror,identity=auto,namespaceDefaults=true,sharedClasses.namespaces={platform},allowObjects=false,csiVolumes=replace,openshift=true,rbac.aggregate=false",
        "--set-json",
        r#"defaults={"refresh-interval":"1h","run-as-user":1000}"#,
        "--set",
        "injector.caBundle=-----BEGIN CERTIFICATE-----",
        "--set-json",
        r#"webhook={"objectSelector":{"matchLabels":{"app":"web"}},"matchConditions":[{"name":"some","expression":"true"}],"annotations":{"wave":"1"}}"#,
    ],
    &[
        "--set",
        "dnsPolicy=None,schedulerName=other,runtimeClassName=kata,revisionHistoryLimit=0,commonAnnotations.team=1,podMonitor.enabled=true,podMonitor.scrapeTimeout=5s,serviceMonitor.enabled=true,serviceMonitor.namespace=default,alerts.enabled=true,alerts.namespace=default",
        "--set-json",
        r#"dnsConfig={"nameservers":["10.0.0.1"]}"#,
        "--set-json",
        r#"hostAliases=[{"ip":"10.0.0.2","hostnames":["a"]}]"#,
        "--set-json",
        r#"extraVolumes=[{"name":"x","emptyDir":{}}]"#,
        "--set-json",
        r#"extraVolumeMounts=[{"name":"x","mountPath":"/x"}]"#,
        "--set-json",
        r#"extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"more","namespace":"{{ .Release.Namespace }}"}}]"#,
        "--set-json",
        r#"serviceMonitor.relabelings=[{"action":"labeldrop","regex":"pod"}]"#,
        "--set-json",
        r#"podMonitor.metricRelabelings=[{"action":"drop","sourceLabels":["a"],"regex":"b"}]"#,
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
        let read = serde_yaml::from_multiple::<Value>(&text);
        assert!(read.is_ok(), "{values:?}: {}", read.unwrap_err());
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

/// The objects that a release could leave behind: those of its namespace, and those of the cluster that are named like it.
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
    let (cluster, own) = (cluster.unwrap(), own.unwrap());
    let of_release = cluster.lines().filter(|name| name.contains("chart-life"));
    of_release.chain(own.lines()).map(str::to_owned).collect()
}

/// `helm test`: its pod is injected, reads the example's files and is then removed; with a wrong class it fails.
fn tested(world: &World, namespace: &str) {
    let test = || {
        let arguments = [
            "test",
            namespace,
            "--namespace",
            namespace,
            "--timeout",
            "2m",
        ];
        helm(Some(&world.kubectl), &arguments)
    };
    let printed = test().unwrap();
    assert!(printed.contains("Succeeded"), "{printed}");
    let class = "test.secretProviderClass=missing";
    let chart = chart().display().to_string();
    let upgrade = [
        "upgrade",
        namespace,
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
    // The name of the release, too.
    let namespace = world.namespace("chart-life");
    let apps = release::apps(world, &namespace.name);
    let before = everything(world, &namespace.name);
    let chart = chart().display().to_string();
    let common = format!(
        "{},test.secretProviderClass=aws-secrets,test.namespace={},test.image={}",
        release::values(world, &namespace.name),
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
    run(
        &["install", &namespace.name, &chart],
        &["--set", "replicas=1"],
    );
    assert_ne!(everything(world, &namespace.name), before);
    apps.apply(&[
        &service_account("default"),
        &example_class("v1"),
        &annotated_pod("first"),
    ])
    .unwrap();
    run(
        &["upgrade", &namespace.name, &chart],
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
            &namespace.name,
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
