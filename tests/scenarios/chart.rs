//! The Helm chart: what it renders is valid, and what it installs goes again.

use std::collections::BTreeSet;
use std::fs;

use e2e::helm::{chart, helm, rendered, template};
use e2e::install::{example_class, service_account};
use e2e::{images, project};

use crate::bare::annotated_pod;
use crate::world::World;

pub(crate) fn files_agree(_: &World) {
    for (path, text) in rendered().unwrap() {
        let file = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file == text,
            "{} is not what the chart renders: run make manifests",
            path.display()
        );
    }
}

/// Sets of values, each for what platforms set differently.
const VALUES: [&[&str]; 9] = [
    &[],
    &[
        "--set",
        "replicas=1,podDisruptionBudget.enabled=false,policy.enabled=false,classValidation.enabled=false",
    ],
    &[
        "--set",
        "networkPolicy.enabled=true,priorityClassName=system-cluster-critical,log.format=json,log.level=debug,drain=30s",
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
        "podLabels.team=platform,podAnnotations.note=text,serviceAccount.annotations.note=text",
    ],
    &["--set", "fullnameOverride=secrets,crds.install=true"],
];

pub(crate) fn values(world: &World) {
    let namespace = world.namespace("chart-values");
    for values in VALUES {
        let text = template(&namespace.name, values).unwrap();
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

pub(crate) fn bad_values(_: &World) {
    for (values, words) in [
        ("replica=3", "replica"),
        ("webhook.failurePolicy=Maybe", "failurePolicy"),
        ("webhook.timeoutSeconds=60", "timeoutSeconds"),
        ("injector.env.A B=x", "A B"),
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

/// Everything that a cluster holds beside namespaces' own, by kind and name.
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

pub(crate) fn life(world: &World) {
    let namespace = world.namespace("chart-life");
    let apps = world.namespace_with("chart-apps", "chart: life");
    let before = everything(world, &namespace.name);
    let chart = chart().display().to_string();
    let (webhook, injector) = (
        images::WEBHOOK.split_once(':').unwrap(),
        images::INJECTOR.split_once(':').unwrap(),
    );
    let common = [
        format!("image.repository={},image.tag={}", webhook.0, webhook.1),
        format!(
            "injector.image.repository={},injector.image.tag={}",
            injector.0, injector.1
        ),
        format!("injector.env.AWS_ENDPOINT_URL={}", world.aws.stand_in.url()),
        "drain=3s,webhook.namespaceSelector.matchLabels.chart=life".to_owned(),
    ]
    .join(",");
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
