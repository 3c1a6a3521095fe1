//! Every kind of workload, and every kind of pod that is unlike the usual one.

use e2e::images::APP;
use e2e::install::{example_class, service_account};

use crate::world::{Namespace, World};

const ANNOTATION: &str = "aws-secrets-injector.io/secret-provider-class: aws-secrets";

/// A pod template whose container runs a script, with more fields of the spec, indented by so much.
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

/// The object has printed the secret that its container read.
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
    // Debugging goes on as ever: an ephemeral container is none of the pod's own.
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
    // The quota's controller has to have counted once before it lets anything in.
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
