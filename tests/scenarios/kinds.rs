//! All kinds of workloads, and unusual pods.

use e2e::admissions::{blocking, dry_run};
use e2e::images::APP;
use e2e::install::{example_class, service_account};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};

use crate::world::{Namespace, World};

const ANNOTATION: &str = "aws-secrets-injector.io/secret-provider-class: aws-secrets";

/// A pod template whose container runs a script, with additional spec fields and this indentation.
fn template(script: &str, more: &str, indent: usize) -> String {
    let text = format!(
        "metadata:
  labels: {{app: app}}
  annotations: {{{ANNOTATION}}}
spec:
  terminationGracePeriodSeconds: 0
{more}
  containers:
    - name: app
      image: {APP}
      imagePullPolicy: IfNotPresent
      command: [sh, -c, {script:?}]
"
    );
    let indented = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| format!("{:indent$}{line}\n", ""));
    indented.collect()
}

const READ: &str = "echo $(cat /mnt/secrets-store/MySecret3)";
const SERVE: &str = "echo $(cat /mnt/secrets-store/MySecret3) && sleep 3600";

fn prepared<'a>(world: &'a World, name: &str) -> Namespace<'a> {
    let namespace = world.namespace(name);
    namespace
        .apply(&[&service_account("default"), &example_class("v1")])
        .unwrap();
    namespace
}

/// Waits until the object has printed the secret that its container read.
fn has_read(namespace: &Namespace<'_>, object: &str) {
    let world = namespace.world;
    let read = || Ok(namespace.kubectl(&["logs", object, "-c", "app"])? == "third\n");
    let what = format!("{object} has read its secret");
    if let Err(error) = world.kubectl.wait_until(&what, read) {
        let described = namespace.kubectl(&["describe", "pods"]).unwrap_or_default();
        panic!("{error:#}\n{described}");
    }
}

pub(crate) fn workloads(world: &World) {
    let namespace = prepared(world, "workloads");
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: job\nspec:\n  template:\n{}",
        template(READ, "  restartPolicy: Never", 4)
    );
    let cron = format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: cron\nspec:\n  schedule: \"0 0 1 1 *\"\n  jobTemplate:\n    spec:\n      template:\n{}",
        template(READ, "  restartPolicy: Never", 8)
    );
    let set = |kind: &str, more: &str| {
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: {}\nspec:\n{more}  selector: {{matchLabels: {{app: app}}}}\n  template:\n{}",
            kind.to_lowercase(),
            template(SERVE, "", 4)
        )
    };
    namespace
        .apply(&[
            &job,
            &cron,
            &set("StatefulSet", "  serviceName: none\n"),
            &set("DaemonSet", ""),
        ])
        .unwrap();
    namespace
        .kubectl(&["create", "job", "of-cron", "--from=cronjob/cron"])
        .unwrap();
    for object in [
        "job/job",
        "job/of-cron",
        "statefulset/statefulset",
        "daemonset/daemonset",
    ] {
        has_read(&namespace, object);
    }
    for job in ["job/job", "job/of-cron"] {
        namespace
            .kubectl(&["wait", "--for=condition=Complete", "--timeout=120s", job])
            .unwrap();
    }
}

pub(crate) fn unusual_pods(world: &World) {
    let namespace = prepared(world, "unusual-pods");
    let pods = [
        ("host-network", "  hostNetwork: true"),
        ("no-token", "  automountServiceAccountToken: false"),
        ("pull-secret", "  imagePullSecrets: [{name: registry}]"),
        ("root", "  securityContext: {runAsUser: 0}"),
        (
            "groups",
            "  securityContext: {runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, runAsNonRoot: true}",
        ),
    ];
    for (name, more) in pods {
        let pod = template(SERVE, more, 0).replacen(
            "metadata:\n",
            &format!("metadata:\n  name: {name}\n"),
            1,
        );
        namespace
            .apply(&[&format!("apiVersion: v1\nkind: Pod\n{pod}")])
            .unwrap();
    }
    for (name, _) in pods {
        has_read(&namespace, &format!("pod/{name}"));
    }
    // Debugging still works: an ephemeral container is not one of the pod's own containers.
    let image = format!("--image={APP}");
    namespace
        .kubectl(&[
            "debug",
            "pod/groups",
            &image,
            "--image-pull-policy=IfNotPresent",
            "--container=debugger",
            "--profile=restricted",
            "--",
            "true",
        ])
        .unwrap();
}

pub(crate) fn quotas(world: &World) {
    let namespace = prepared(world, "quotas");
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: quota\nspec:\n  hard: {requests.cpu: \"1\", limits.cpu: \"1\", requests.memory: 1Gi, limits.memory: 1Gi, pods: \"2\"}\n";
    let range = "apiVersion: v1\nkind: LimitRange\nmetadata:\n  name: range\nspec:\n  limits:\n    - type: Container\n      max: {cpu: 500m, memory: 512Mi}\n      min: {cpu: 5m, memory: 8Mi}\n";
    namespace.apply(&[quota, range]).unwrap();
    let pod = |name: &str, resources: &str| {
        let pod = template(SERVE, "", 0).replacen(
            "metadata:\n",
            &format!("metadata:\n  name: {name}\n"),
            1,
        );
        format!("apiVersion: v1\nkind: Pod\n{pod}      resources: {resources}\n")
    };
    let guaranteed = pod("guaranteed", "{limits: {cpu: 100m, memory: 128Mi}}");
    let burstable = pod(
        "burstable",
        "{requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 200m, memory: 128Mi}}",
    );
    // The quota controller must have counted once before it admits anything.
    world
        .kubectl
        .wait_until("the quota lets a pod in", || {
            namespace.apply(&[&guaranteed])?;
            Ok(true)
        })
        .unwrap();
    namespace.apply(&[&burstable]).unwrap();
    for (name, class) in [("guaranteed", "Guaranteed"), ("burstable", "Burstable")] {
        has_read(&namespace, &format!("pod/{name}"));
        let pod = namespace.get(&["pod", name]);
        assert_eq!(pod["status"]["qosClass"], class, "{pod:#}");
    }
}

pub(crate) fn pod_level_resources(world: &World) {
    let namespace = prepared(world, "pod-level-resources");
    let resources = [
        (
            "both",
            "{limits: {cpu: 100m, memory: 64Mi}, requests: {cpu: 10m, memory: 40Mi}}",
        ),
        ("limits", "{limits: {cpu: 100m, memory: 48Mi}}"),
        ("requests", "{requests: {memory: 24Mi}}"),
    ];
    for (name, resources) in resources {
        let more = format!("  resources: {resources}");
        let pod = template(SERVE, &more, 0)
            .replacen("metadata:\n", &format!("metadata:\n  name: {name}\n"), 1)
            .replace(
                ANNOTATION,
                &format!("{ANNOTATION}, aws-secrets-injector.io/refresh-interval: 5m"),
            );
        let pod = format!(
            "apiVersion: v1\nkind: Pod\n{pod}      resources: {{requests: {{memory: 20Mi}}}}\n"
        );
        namespace.apply(&[&pod]).unwrap();
    }
    for (name, _) in resources {
        has_read(&namespace, &format!("pod/{name}"));
    }
}

/// The API server's cost limit for a policy is fixed, and the policy's cost grows with containers times directories. Everything
/// within the webhook's own bounds must stay within this limit.
pub(crate) fn large_pods(world: &World) {
    let namespace = prepared(world, "large-pods");
    for (containers, directories) in [(60, 64), (240, 15)] {
        let pod = large_pod(&namespace.name, containers, directories);
        let (runtime, client) = blocking(&world.kubectl).unwrap();
        let made = runtime.block_on(dry_run(&Api::namespaced(client, &namespace.name), &pod));
        let spec = made.unwrap().spec.unwrap();
        let last = spec.containers.last().unwrap();
        assert!(last.volume_mounts.as_ref().unwrap().len() >= directories);
    }
}

fn large_pod(namespace: &str, containers: usize, directories: usize) -> Pod {
    let directories: Vec<String> = (0..directories)
        .map(|number| format!("aws-secrets=/d{number}"))
        .collect();
    let containers: Vec<Value> = (0..containers)
        .map(|number| json!({"name": format!("c{number}"), "image": APP}))
        .collect();
    let pod = json!({
        "metadata": {"generateName": "large-", "namespace": namespace, "annotations": {
            "aws-secrets-injector.io/secret-provider-class": directories.join(","),
        }},
        "spec": {"containers": containers},
    });
    serde_json::from_value(pod).unwrap()
}

/// The documented annotations make a pod fit a namespace's LimitRange.
pub(crate) fn limit_ranges(world: &World) {
    let cases = [
        (
            "min",
            "{type: Container, min: {cpu: 100m, memory: 128Mi}}",
            "{requests: {cpu: 100m, memory: 128Mi}}",
            &[
                "cpu-request=100m",
                "memory-request=128Mi",
                "memory-limit=128Mi",
            ][..],
        ),
        (
            "ratio",
            "{type: Container, default: {cpu: 500m}, maxLimitRequestRatio: {cpu: \"4\"}}",
            "{requests: {cpu: 250m}}",
            &["cpu-request=50m", "cpu-limit=200m"],
        ),
        (
            "max",
            "{type: Container, max: {memory: 48Mi}}",
            "{limits: {memory: 16Mi}}",
            &["memory-limit=48Mi"],
        ),
        (
            "pod",
            "{type: Pod, max: {cpu: 200m, memory: 128Mi}}",
            "{limits: {cpu: 170m, memory: 64Mi}}",
            &["refresh-interval=5m", "cpu-limit=30m"],
        ),
    ];
    for (name, limit, resources, annotations) in cases {
        let namespace = prepared(world, &format!("limit-range-{name}"));
        let range = format!(
            "apiVersion: v1\nkind: LimitRange\nmetadata:\n  name: range\nspec:\n  limits:\n    - {limit}\n"
        );
        namespace.apply(&[&range]).unwrap();
        let pod = |annotations: &str| {
            let pod = template(SERVE, "", 0)
                .replacen("metadata:\n", "metadata:\n  name: app\n", 1)
                .replace(ANNOTATION, &format!("{ANNOTATION}{annotations}"));
            format!("apiVersion: v1\nkind: Pod\n{pod}      resources: {resources}\n")
        };
        let refresh = annotations
            .iter()
            .filter(|item| item.starts_with("refresh"));
        let refresh: String = refresh.map(|item| written(item)).collect();
        // The API server takes a moment to notice a new LimitRange.
        let refused = || Ok(dry_apply(&namespace, &pod(&refresh)).is_err());
        let what = format!("the LimitRange {name} refuses the pod without further annotations");
        world.kubectl.wait_until(&what, refused).unwrap();
        let all: String = annotations.iter().map(|item| written(item)).collect();
        namespace.apply(&[&pod(&all)]).unwrap();
        has_read(&namespace, "pod/app");
    }
}

/// Formats `NAME=VALUE` as an annotation in YAML flow style.
fn written(item: &str) -> String {
    let (name, value) = item.split_once('=').unwrap();
    format!(", aws-secrets-injector.io/{name}: {value:?}")
}

fn dry_apply(namespace: &Namespace<'_>, pod: &str) -> anyhow::Result<()> {
    let pod: Pod = serde_yaml::from_str(pod)?;
    let (runtime, client) = blocking(&namespace.world.kubectl)?;
    runtime.block_on(dry_run(&Api::namespaced(client, &namespace.name), &pod))?;
    Ok(())
}
