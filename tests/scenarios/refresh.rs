//! The sidecar keeps files up to date.

use aws_stand_in::{Fault, Kind, Seed, When};
use e2e::images::APP;
use e2e::install::service_account;
use e2e::progress::line;
use serde_json::json;

use crate::world::{Namespace, World};

/// A class with secrets that only this namespace uses, with additional fields for each entry.
fn class(names: &[String], fields: &str) -> String {
    let entry = |name: &String| {
        format!("      - {{objectName: {name}, objectType: secretsmanager{fields}}}\n")
    };
    let objects = names.iter().map(entry).collect::<Vec<_>>().concat();
    format!(
        "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata:\n  name: own\nspec:\n  provider: aws\n  parameters:\n    objects: |\n{objects}"
    )
}

/// A pod whose files are refreshed every second. `annotations` and `spec` are YAML lines.
fn pod(name: &str, class: &str, annotations: &str, spec: &str, script: &str) -> String {
    let prefix = "    aws-secrets-injector.io";
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations:\n{prefix}/secret-provider-class: {class}\n{prefix}/refresh-interval: 1s\n{annotations}spec:\n  terminationGracePeriodSeconds: 30\n{spec}  containers:\n    - name: app\n      image: {APP}\n      imagePullPolicy: IfNotPresent\n      securityContext: {{runAsUser: 1000}}\n      command: [sh, -c, {script:?}]\n"
    )
}

const SLEEP: &str = "sleep 3600";

/// A namespace with its own class and secrets that no other scenario uses.
pub(crate) struct Own<'a> {
    pub(crate) namespace: Namespace<'a>,
    pub(crate) names: Vec<String>,
}

impl Own<'_> {
    pub(crate) fn set(&self, name: &str, value: &str) {
        let (name, value) = (name.to_owned(), value.to_owned());
        let update = |seed: Seed| async move { seed.update_secret(&name, &value).await.map(drop) };
        self.namespace.world.aws.seed(update).unwrap();
    }

    fn read(&self, pod: &str, name: &str) -> anyhow::Result<String> {
        self.namespace.kubectl(&[
            "exec",
            pod,
            "-c",
            "app",
            "--",
            "cat",
            &format!("/mnt/secrets-store/{name}"),
        ])
    }

    fn wait_for_value(&self, pod: &str, name: &str, value: &str) {
        let kubectl = &self.namespace.world.kubectl;
        let what = format!("{pod} has the new value of {name}");
        kubectl
            .wait_until(&what, || Ok(self.read(pod, name)? == value))
            .unwrap();
    }

    pub(crate) fn run(&self, manifest: &str, pod: &str) {
        self.namespace.apply(&[manifest]).unwrap();
        let waited = self.namespace.kubectl(&[
            "wait",
            "--for=condition=Ready",
            "--timeout=120s",
            &format!("pod/{pod}"),
        ]);
        if let Err(error) = waited {
            panic!(
                "{error:#}\n{}",
                self.namespace
                    .kubectl(&["describe", "pods"])
                    .unwrap_or_default()
            );
        }
    }
}

/// A namespace with a class with this number of its own secrets.
fn own<'a>(world: &'a World, name: &str, secrets: usize) -> Own<'a> {
    own_with(world, name, secrets, "")
}

/// The same, with additional fields for each entry of the class.
pub(crate) fn own_with<'a>(world: &'a World, name: &str, secrets: usize, fields: &str) -> Own<'a> {
    let namespace = world.namespace(name);
    let names: Vec<String> = (0..secrets)
        .map(|number| format!("{name}-{number}"))
        .collect();
    for name in names.clone() {
        let make = |seed: Seed| async move { seed.secret(&name, "first").await.map(drop) };
        world.aws.seed(make).unwrap();
    }
    namespace
        .apply(&[&service_account("default"), &class(&names, fields)])
        .unwrap();
    Own { namespace, names }
}

pub(crate) fn reaches_the_file(world: &World) {
    let own = own(world, "refreshed", 20);
    own.run(&pod("app", "own", "", "", SLEEP), "app");
    let name = own.names[7].clone();
    own.set(&name, "second");
    own.wait_for_value("app", &name, "second");
    assert_eq!(own.read("app", &own.names[8]).unwrap(), "first");
    // Nothing changes now: each refresh describes each secret and fetches none.
    world.aws.stand_in.forget();
    let described = || {
        own.namespace
            .calls()
            .iter()
            .filter(|call| call.operation == "DescribeSecret")
            .count()
    };
    world
        .kubectl
        .wait_until("three looks", || Ok(described() >= 3 * own.names.len()))
        .unwrap();
    let operations: std::collections::BTreeSet<_> = own
        .namespace
        .calls()
        .into_iter()
        .map(|call| call.operation)
        .collect();
    assert_eq!(
        operations.into_iter().collect::<Vec<_>>(),
        ["DescribeSecret"]
    );
    line(&format!(
        "memory of the sidecar with 20 secrets: {}",
        memory(&own)
    ));
    // The pod stops at once: the sidecar handles SIGTERM, although the app ignores it.
    own.namespace
        .kubectl(&["delete", "pod", "app", "--grace-period=1"])
        .unwrap();
}

/// The sidecar's memory according to the kernel.
fn memory(own: &Own<'_>) -> String {
    let node = ["get", "pod", "app", "-o", "jsonpath={.spec.nodeName}"];
    let statistics = own.namespace.kubectl(&node).and_then(|node| {
        let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
        own.namespace.kubectl(&["get", "--raw", &path])
    });
    let Ok(statistics) = statistics else {
        return "not known on this cluster".to_owned();
    };
    let statistics: serde_json::Value = serde_json::from_str(&statistics).unwrap_or_default();
    let pods = statistics["pods"].as_array().cloned().unwrap_or_default();
    let pod = pods
        .iter()
        .find(|pod| pod["podRef"]["namespace"] == "refreshed");
    let containers = pod
        .and_then(|pod| pod["containers"].as_array().cloned())
        .unwrap_or_default();
    let sidecar = containers
        .iter()
        .find(|container| container["name"] == "aws-secrets-refresher");
    let bytes = sidecar.and_then(|sidecar| sidecar["memory"]["workingSetBytes"].as_u64());
    bytes.map_or_else(
        || "not measured yet".to_owned(),
        |bytes| format!("{} KiB working set", bytes / 1024),
    )
}

pub(crate) fn job_completes(world: &World) {
    let own = own(world, "refreshed-job", 1);
    let pod = pod("x", "own", "", "  restartPolicy: Never\n", "sleep 2");
    let template = pod
        .split_once("metadata:\n")
        .unwrap()
        .1
        .replacen("  name: x\n", "", 1);
    let indented = format!("    metadata:\n{template}").replace('\n', "\n    ");
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: job\nspec:\n  template:\n{indented}"
    );
    own.namespace.apply(&[&job]).unwrap();
    let waited = own.namespace.kubectl(&[
        "wait",
        "--for=condition=Complete",
        "--timeout=120s",
        "job/job",
    ]);
    if let Err(error) = waited {
        panic!(
            "{error:#}\n{}",
            own.namespace
                .kubectl(&["describe", "pods"])
                .unwrap_or_default()
        );
    }
}

pub(crate) fn signals_the_app(world: &World) {
    let own = own(world, "refreshed-signal", 1);
    let annotations = "    aws-secrets-injector.io/on-refresh: signal:SIGHUP:app\n";
    let script = "trap 'echo reloaded; cat /mnt/secrets-store/refreshed-signal-0; echo' HUP; while :; do sleep 1; done";
    own.run(
        &pod(
            "app",
            "own",
            annotations,
            "  shareProcessNamespace: true\n",
            script,
        ),
        "app",
    );
    own.set(&own.names[0], "second");
    let log = || own.namespace.kubectl(&["logs", "app", "-c", "app"]);
    world
        .kubectl
        .wait_until("the app has reloaded", || {
            Ok(log()?.contains("reloaded\nsecond"))
        })
        .unwrap();
    let without = pod("refused", "own", annotations, "", script);
    let error = own.namespace.apply(&[&without]).unwrap_err().to_string();
    assert!(error.contains("shareProcessNamespace: true"), "{error}");
}

pub(crate) fn outage(world: &World) {
    let own = own(world, "refreshed-outage", 1);
    own.run(&pod("app", "own", "", "", SLEEP), "app");
    let when = When {
        subject: Some(":refreshed-outage:".to_owned()),
        ..When::default()
    };
    for kind in [Kind::throttle(), Kind::Drop, Kind::access_denied()] {
        world.aws.stand_in.fail(Fault {
            when: when.clone(),
            kind,
            times: None,
        });
        let failed = || {
            own.namespace
                .kubectl(&["logs", "app", "-c", "aws-secrets-refresher", "--tail=5"])
        };
        world
            .kubectl
            .wait_until("a look fails", || {
                Ok(failed()?.contains("keeping current files"))
            })
            .unwrap();
        let value = own.read("app", &own.names[0]).unwrap();
        let next = format!("{value}-next");
        own.set(&own.names[0], &next);
        assert_eq!(own.read("app", &own.names[0]).unwrap(), value);
        world.aws.stand_in.heal_calls(&when);
        own.wait_for_value("app", &own.names[0], &next);
    }
    let pod = own.namespace.get(&["pod", "app"]);
    let restarts = pod["status"]["initContainerStatuses"][1]["restartCount"].clone();
    assert_eq!(restarts, json!(0), "the sidecar never ended: {pod:#}");
}

pub(crate) fn whole_sets(world: &World) {
    let own = own(world, "refreshed-set", 1);
    own.set(&own.names[0], r#"{"v": "0"}"#);
    let both = class(&own.names, "").replace(
        "objectType: secretsmanager}",
        "objectType: secretsmanager, jmesPath: [{path: v, objectAlias: one}, {path: v, objectAlias: two}]}",
    );
    own.namespace.apply(&[&both]).unwrap();
    // Like an app that needs a consistent set: resolve ..data once and read everything through it.
    let script = "cd /mnt/secrets-store; while :; do d=$(readlink ..data); a=$(cat $d/one 2>/dev/null); b=$(cat $d/two 2>/dev/null); if [ -n \"$a\" ] && [ -n \"$b\" ] && [ \"$a\" != \"$b\" ]; then echo mixed $a $b; fi; done";
    own.run(&pod("app", "own", "", "", script), "app");
    for number in 1..6 {
        own.set(&own.names[0], &format!("{{\"v\": \"{number}\"}}"));
        own.wait_for_value("app", "one", &number.to_string());
    }
    let log = own.namespace.kubectl(&["logs", "app", "-c", "app"]);
    assert_eq!(log.unwrap(), "");
}
