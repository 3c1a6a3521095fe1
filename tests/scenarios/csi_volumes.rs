//! Manifests of users of the Secrets Store CSI Driver, on a cluster without the driver: workloads, classes and references to synced
//! Secrets run as they are.

use e2e::images::APP;
use e2e::install::service_account;
use serde_json::{Value, json};

use crate::kubernetes_secrets::class_with_secret;
use crate::release::Release;
use crate::variables::{dry_run, has_printed};
use crate::world::{Namespace, World};

fn volume(name: &str, class: &str) -> Value {
    json!({"name": name, "csi": {
        "driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": class},
    }})
}

/// A container that runs a script and then waits.
fn container(name: &str, script: &str, mounts: &Value) -> Value {
    json!({
        "name": name, "image": APP, "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script], "volumeMounts": mounts,
    })
}

fn workload(kind: &str, name: &str, annotations: &Value, pod: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}, "annotations": annotations}, "spec": pod},
        },
    })
}

/// The usual shape: files, a key of the synced Secret, and all of it.
fn deployment() -> Value {
    let mounts =
        json!([{"name": "secrets-store-inline", "mountPath": "/mnt/secrets", "readOnly": true}]);
    let script = "echo $USERNAME $DB_password; cat /mnt/secrets/MySecret3; echo; sleep 3600";
    let mut api = container("api", script, &mounts);
    api["envFrom"] = json!([{"prefix": "DB_", "secretRef": {"name": "db-credentials"}}]);
    api["env"] = json!([
        {"name": "USERNAME", "valueFrom": {"secretKeyRef": {"name": "db-credentials", "key": "username"}}},
    ]);
    let pod = json!({
        "serviceAccountName": "web", "terminationGracePeriodSeconds": 0,
        "containers": [api], "volumes": [volume("secrets-store-inline", "aws-secrets")],
    });
    let mut deployment = workload("Deployment", "web", &json!({}), &pod);
    deployment["spec"]
        .as_object_mut()
        .unwrap()
        .remove("serviceName");
    deployment
}

/// An init container that needs the secret, a single file, two volumes, a user, and a container that mounts none of it.
fn stateful_set() -> Value {
    let migrate = json!([{"name": "db", "mountPath": "/secrets", "readOnly": true}]);
    let store = json!([
        {"name": "db", "mountPath": "/secrets", "readOnly": true},
        {"name": "one", "mountPath": "/etc/store/third", "subPath": "MySecret3", "readOnly": true},
    ]);
    let read = "cat /etc/store/third /secrets/dbusername; ls /etc/store; sleep 3600";
    let pod = json!({
        "serviceAccountName": "web", "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsUser": 1001, "fsGroup": 1001},
        "initContainers": [container("migrate", "cat /secrets/dbpassword", &migrate)],
        "containers": [
            container("store", read, &store),
            container("exporter", "test -e /secrets || echo none; sleep 3600", &json!([])),
        ],
        "volumes": [volume("db", "aws-secrets"), volume("one", "aws-secrets")],
    });
    workload("StatefulSet", "store", &json!({}), &pod)
}

/// A job that mounts the volume only so that the driver makes the Secret.
fn cron_job() -> Value {
    let mounts = json!([{"name": "secrets", "mountPath": "/unused", "readOnly": true}]);
    let mut report = container("report", "echo $DB_PASSWORD", &mounts);
    report["env"] = json!([
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db-credentials", "key": "password"}}},
    ]);
    let pod = json!({
        "serviceAccountName": "web", "restartPolicy": "Never",
        "containers": [report], "volumes": [volume("secrets", "aws-secrets")],
    });
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "report"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    })
}

/// A pod whose files are refreshed.
fn rotating() -> Value {
    let prefix = "aws-secrets-injector.io";
    let pod = json!({
        "serviceAccountName": "web", "terminationGracePeriodSeconds": 0,
        "containers": [container("app", "sleep 3600", &json!([{"name": "own", "mountPath": "/secrets"}]))],
        "volumes": [volume("own", "own")],
    });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        // The shared installation, whose policies are for all namespaces, replaces no volumes by itself.
        "metadata": {"name": "rotating", "annotations": {
            format!("{prefix}/refresh-interval"): "1s", format!("{prefix}/csi-volumes"): "replace",
        }},
        "spec": pod,
    })
}

pub(crate) fn unchanged(world: &World) {
    let release = Release::install(world, "csi-volumes", "csiVolumes=replace");
    let namespace = &release.apps;
    let secret = "csi-volumes-rotating";
    let set = |value: &'static str, is_new: bool| {
        world
            .aws
            .seed(async move |seed| {
                if is_new {
                    seed.secret(secret, value).await.map(drop)
                } else {
                    seed.update_secret(secret, value).await.map(drop)
                }
            })
            .unwrap();
    };
    set("before", true);
    let class = |name: &str, provider: &str, objects: &str| {
        let parameters = json!({"objects": objects});
        json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": name},
            "spec": {"provider": provider, "parameters": parameters},
        })
        .to_string()
    };
    let own = class(
        "own",
        "aws",
        &format!("[{{objectName: {secret}, objectType: secretsmanager}}]"),
    );
    let other = class("other", "azure", "array: []");
    namespace
        .apply(&[&service_account("web"), &class_with_secret(), &own, &other])
        .unwrap();
    let manifests =
        [deployment(), stateful_set(), cron_job(), rotating()].map(|object| object.to_string());
    let manifests: Vec<&str> = manifests.iter().map(String::as_str).collect();
    namespace.apply(&manifests).unwrap();
    let job = ["create", "job", "report-now", "--from=cronjob/report"];
    namespace.kubectl(&job).unwrap();
    has_printed(
        namespace,
        "deployment/web",
        "api",
        "admin correct horse\nthird\n",
    );
    has_printed(namespace, "pod/store-0", "migrate", "correct horse");
    has_printed(namespace, "pod/store-0", "store", "thirdadminthird\n");
    has_printed(namespace, "pod/store-0", "exporter", "none\n");
    has_printed(namespace, "job/report-now", "report", "correct horse\n");
    let secrets = namespace
        .kubectl(&["get", "secrets", "-o", "name"])
        .unwrap();
    assert_eq!(secrets, "");

    set("after", false);
    let read = [
        "exec",
        "rotating",
        "-c",
        "app",
        "--",
        "cat",
        &format!("/secrets/{secret}"),
    ];
    world
        .kubectl
        .wait_until("the file has the new value", || {
            Ok(namespace.kubectl(&read)? == "after")
        })
        .unwrap();
    is_read_only(namespace);
    without_webhook(&release);
}

/// As the driver's volumes are.
fn is_read_only(namespace: &Namespace<'_>) {
    let write = [
        "exec",
        "rotating",
        "-c",
        "app",
        "--",
        "sh",
        "-c",
        "echo x >/secrets/new",
    ];
    let error = namespace.kubectl(&write).unwrap_err().to_string();
    assert!(error.contains("Read-only file system"), "{error}");
}

fn bare(name: &str, volumes: &Value) -> String {
    let app = container("app", "sleep 3600", &json!([]));
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"serviceAccountName": "web", "containers": [app], "volumes": volumes},
    })
    .to_string()
}

/// The webhook's configuration is gone: pods whose volumes it would replace are refused, and no others.
fn without_webhook(release: &Release<'_>) {
    let namespace = &release.apps;
    let kubectl = &namespace.world.kubectl;
    let replaced = bare("replaced", &json!([volume("secrets", "own")]));
    let others = [
        bare("other", &json!([volume("secrets", "other")])),
        bare("none", &json!([{"name": "tmp", "emptyDir": {}}])),
    ];
    let volume_of = |pod: &str| dry_run(namespace, pod).unwrap()["spec"]["volumes"][0].clone();
    assert!(volume_of(&replaced)["emptyDir"].is_object());
    assert!(volume_of(&others[0])["csi"].is_object());
    let injected = dry_run(namespace, &replaced).unwrap();
    kubectl.run(&["delete", &release.configuration()]).unwrap();
    let words = "has a volume of the Secrets Store CSI Driver with the class own, which aws-secrets-injector replaces, but it was not replaced";
    let is_refused = || match dry_run(namespace, &replaced) {
        Ok(_) => Ok(false),
        Err(error) => Ok(error.to_string().contains(words)),
    };
    kubectl
        .wait_until("the policy refuses the pod", is_refused)
        .unwrap();
    // What was replaced is checked like any injected pod.
    dry_run(namespace, &injected.to_string()).unwrap();
    let mut lost = injected;
    lost["spec"]["initContainers"] = Value::Null;
    let error = dry_run(namespace, &lost.to_string())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("was not given the container that fetches them"),
        "{error}"
    );
    for pod in &others {
        dry_run(namespace, pod).unwrap();
    }
}
