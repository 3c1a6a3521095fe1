//! What a pod's own processes, its author and its namespace try against the injected containers.

use e2e::admissions::{blocking, dry_run};
use e2e::images::{APP, INJECTOR};
use e2e::install::{example_class, service_account};
use kube::Api;
use serde_json::{Value, json};

use crate::kubernetes_secrets::{MODE, class_with_secret, deployment, grant, value};
use crate::refresh::own_with;
use crate::world::{Namespace, World};

const ANNOTATION: &str = "aws-secrets-injector.io/";

/// Runs a script in the container `app` of the pod `app`.
fn sh(namespace: &Namespace<'_>, script: &str) -> anyhow::Result<String> {
    namespace.kubectl(&["exec", "app", "-c", "app", "--", "sh", "-c", script])
}

fn is_ready(namespace: &Namespace<'_>) {
    let waited = namespace.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", "pod/app"]);
    if let Err(error) = waited {
        let described = namespace.kubectl(&["describe", "pods"]);
        panic!("{error:#}\n{}", described.unwrap_or_default());
    }
}

/// Nobody without capabilities can read the injector's program in its image, not even root: this is what hides its processes from
/// their first instruction on. The program for `env-method: exec` can be read, because the injector copies it.
pub(crate) fn program_is_hidden(world: &World) {
    for user in [1000, 0] {
        let namespace = world.namespace(&format!("hidden-program-{user}"));
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "securityContext": {"runAsUser": user, "runAsGroup": user},
                "volumes": [{"name": "image", "image": {"reference": INJECTOR, "pullPolicy": "IfNotPresent"}}],
                "containers": [{
                    "name": "app", "image": APP, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"],
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "image", "mountPath": "/image"}],
                }],
            },
        });
        namespace.apply(&[&pod.to_string()]).unwrap();
        is_ready(&namespace);
        let read = |program: &str| sh(&namespace, &format!("head -c 4 /image/{program} | wc -c"));
        assert_eq!(read("aws-secrets-exec").unwrap().trim(), "4");
        assert_eq!(read("aws-secrets-injector").unwrap().trim(), "0");
        let mode = sh(&namespace, "stat -c %a /image/aws-secrets-injector");
        assert_eq!(mode.unwrap().trim(), "111");
    }
}

/// A stopped sidecar is restarted, where the kubelet can ask it.
pub(crate) fn stopped_sidecar_restarts(world: &World) {
    let own = own_with(world, "stopped-sidecar", 1, "");
    let namespace = &own.namespace;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "app", "annotations": {
            (format!("{ANNOTATION}secret-provider-class")): "own",
            (format!("{ANNOTATION}refresh-interval")): "1s",
            (format!("{ANNOTATION}refresh-metrics-port")): "9090",
        }},
        "spec": {
            "shareProcessNamespace": true,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsUser": 1000},
            "containers": [{
                "name": "app", "image": APP, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"],
            }],
        },
    });
    own.run(&pod.to_string(), "app");
    let stop = r"for process in /proc/[0-9]*; do tr '\0' ' ' <$process/cmdline | grep -q '^/aws-secrets-injector refresh' && kill -STOP ${process#/proc/} && exit; done; exit 1";
    sh(namespace, stop).unwrap();
    let name = &own.names[0];
    own.set(name, "second");
    let restarts = || {
        let pod = namespace.get(&["pod", "app"]);
        pod["status"]["initContainerStatuses"][1]["restartCount"].clone()
    };
    let kubectl = &world.kubectl;
    kubectl
        .wait_until("the kubelet restarts the sidecar", || Ok(restarts() == 1))
        .unwrap();
    let read = format!("cat /mnt/secrets-store/{name}");
    kubectl
        .wait_until("the restarted sidecar writes the new value", || {
            Ok(sh(namespace, &read)? == "second")
        })
        .unwrap();
    let pod = namespace.get(&["pod", "app"]);
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
}

/// A pod that says that it is injected already, with more rights for the injected containers.
pub(crate) fn handwritten_is_replaced(world: &World) {
    let namespace = world.namespace("handwritten");
    namespace
        .apply(&[&service_account("web"), &example_class("v1")])
        .unwrap();
    let (runtime, client) = blocking(&world.kubectl).unwrap();
    let api = Api::namespaced(client, &namespace.name);
    let made = |pod: &Value| {
        let pod = serde_json::from_value(pod.clone()).unwrap();
        let made = runtime.block_on(dry_run(&api, &pod)).unwrap();
        serde_json::to_value(made.spec).unwrap()
    };
    let annotations = json!({
        (format!("{ANNOTATION}secret-provider-class")): "aws-secrets",
        (format!("{ANNOTATION}refresh-interval")): "5m",
        (format!("{ANNOTATION}refresh-metrics-port")): "9090",
    });
    let mut pod = json!({
        "metadata": {"generateName": "web-", "annotations": annotations},
        "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "image": APP}]},
    });
    let injected = made(&pod);
    // Exported and applied again, nothing changes, whatever the API server has filled in.
    pod["metadata"]["annotations"][format!("{ANNOTATION}status")] = "injected".into();
    pod["spec"] = injected.clone();
    assert_eq!(made(&pod), injected);
    for container in pod["spec"]["initContainers"].as_array_mut().unwrap() {
        container["securityContext"]["allowPrivilegeEscalation"] = true.into();
        container["securityContext"]["privileged"] = true.into();
        container["securityContext"]["capabilities"]["add"] = json!(["SYS_ADMIN"]);
        let variable = json!({"name": "AWS_ENDPOINT_URL_STS", "value": "https://sts.example.com"});
        container["env"].as_array_mut().unwrap().push(variable);
        let mount = json!({"name": "host", "mountPath": "/host"});
        container["volumeMounts"]
            .as_array_mut()
            .unwrap()
            .push(mount);
    }
    let host = json!({"name": "host", "hostPath": {"path": "/", "type": ""}});
    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
    volumes.push(host);
    let replaced = made(&pod);
    assert_eq!(replaced["initContainers"], injected["initContainers"]);
}

/// A Service of the pod's namespace cannot say where the API server is.
pub(crate) fn service_named_kubernetes(world: &World) {
    let namespace = world.namespace("service-named-kubernetes");
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes"},
        "spec": {"ports": [{"name": "https", "port": 443}]},
    });
    namespace
        .apply(&[
            &service_account("web"),
            &class_with_secret(),
            &service.to_string(),
        ])
        .unwrap();
    grant(&namespace, "aws-secrets", "web");
    let mut web = deployment(&json!({MODE: "sync"}));
    // Its variables show that the Service has an effect.
    web["spec"]["template"]["spec"]["containers"][0]["command"] = json!(["sh", "-c", "sleep 3600"]);
    namespace.apply(&[&web.to_string()]).unwrap();
    namespace.wait_for_web();
    let service = namespace.get(&["service", "kubernetes"]);
    let host = namespace
        .sh("app", "echo $KUBERNETES_SERVICE_HOST")
        .unwrap();
    assert_eq!(service["spec"]["clusterIP"], host.trim());
    assert_eq!(value(&namespace, "db-credentials", "username"), "admin");
}
