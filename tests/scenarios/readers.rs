//! Containers of different users and groups read the files, on a node whose kernel does not follow other users' links in
//! world-writable directories. Each reads its file, and reads it again after a rotation.

use e2e::images::{APP, ROOT_APP};
use e2e::node_settings::{FOLDER, NODE_SETTINGS};
use serde_json::{Value, json};

use crate::refresh::{Own, own_with};
use crate::world::World;

/// A container that waits for `kubectl exec`.
fn container(name: &str, image: &str, security: &Value) -> Value {
    json!({
        "name": name, "image": image, "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "3600"], "securityContext": security,
    })
}

/// A pod whose files are refreshed every second.
fn pod(annotations: &[(&str, &str)], spec: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "app", "annotations": {
            "aws-secrets-injector.io/secret-provider-class": "own",
            "aws-secrets-injector.io/refresh-interval": "1s",
        }},
        "spec": {"terminationGracePeriodSeconds": 0},
    });
    for (name, value) in annotations {
        pod["metadata"]["annotations"][format!("aws-secrets-injector.io/{name}")] = (*value).into();
    }
    let fields = spec.as_object().unwrap();
    pod["spec"].as_object_mut().unwrap().extend(fields.clone());
    pod
}

/// The content that a container reads at a path.
fn read(own: &Own<'_>, container: &str, path: &str) -> anyhow::Result<String> {
    own.namespace
        .kubectl(&["exec", "app", "-c", container, "--", "cat", path])
}

/// Checks that the pod starts and that its containers read the file and then its new content.
fn all_read(world: &World, name: &str, mode: &str, pod: &Value) {
    let own = own_with(world, name, 1, &format!(", filePermission: \"{mode}\""));
    own.run(&pod.to_string(), "app");
    let path = format!("/mnt/secrets-store/{}", own.names[0]);
    let containers: Vec<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| pod["spec"][list].as_array().into_iter().flatten())
        .filter(|container| container["command"][0] == "sleep")
        .map(|container| container["name"].as_str().unwrap())
        .collect();
    for container in &containers {
        let value = read(&own, container, &path);
        assert_eq!(value.unwrap(), "first", "{name}: {container}");
    }
    own.set(&own.names[0], "second");
    for container in containers {
        let what = format!("{name}: {container} reads the new value");
        let is_new = || Ok(read(&own, container, &path)? == "second");
        world.kubectl.wait_until(&what, is_new).unwrap();
    }
}

pub(crate) fn root_image(world: &World) {
    let spec = json!({"containers": [container("root", ROOT_APP, &json!({}))]});
    all_read(world, "reads-as-root", "0644", &pod(&[], &spec));
}

pub(crate) fn image_user(world: &World) {
    let spec = json!({"containers": [container("image-user", APP, &json!({}))]});
    all_read(world, "reads-as-image-user", "0644", &pod(&[], &spec));
}

pub(crate) fn two_users(world: &World) {
    let spec = json!({"containers": [
        container("one", APP, &json!({"runAsUser": 4711})),
        container("two", ROOT_APP, &json!({"runAsUser": 0, "capabilities": {"drop": ["ALL"]}})),
    ]});
    all_read(world, "reads-as-two-users", "0644", &pod(&[], &spec));
}

pub(crate) fn fs_group(world: &World) {
    let spec = json!({
        "securityContext": {"fsGroup": 3000},
        "containers": [
            container("one", APP, &json!({"runAsUser": 4711})),
            container("two", APP, &json!({"runAsUser": 4712, "runAsGroup": 5000})),
        ],
    });
    all_read(world, "reads-by-group", "0440", &pod(&[], &spec));
}

pub(crate) fn run_as_user(world: &World) {
    let spec = json!({"containers": [container("app", APP, &json!({}))]});
    let annotations = [("run-as-user", "1000")];
    all_read(world, "reads-as-owner", "0400", &pod(&annotations, &spec));
}

pub(crate) fn shared_user(world: &World) {
    let spec = json!({
        "securityContext": {"runAsUser": 4711, "runAsNonRoot": true},
        "containers": [container("one", APP, &json!({})), container("two", ROOT_APP, &json!({}))],
    });
    all_read(world, "reads-as-shared-user", "0400", &pod(&[], &spec));
}

pub(crate) fn init_containers(world: &World) {
    let path = "/mnt/secrets-store/reads-at-init-0";
    let mut init = container("init", ROOT_APP, &json!({}));
    init["command"] = json!(["grep", "-qx", "first", path]);
    let mut sidecar = container("sidecar", ROOT_APP, &json!({"runAsUser": 4711}));
    sidecar["restartPolicy"] = "Always".into();
    let spec = json!({
        "initContainers": [init, sidecar],
        "containers": [container("app", APP, &json!({}))],
    });
    all_read(world, "reads-at-init", "0644", &pod(&[], &spec));
}

/// Mounts one file of the volume in a container without the directory. Also tests the mounts that are refused.
pub(crate) fn one_file(world: &World) {
    let own = own_with(world, "reads-one-file", 1, "");
    let with = |mount: Value| {
        let mut alone = container("alone", ROOT_APP, &json!({}));
        alone["volumeMounts"] = json!([mount]);
        let spec = json!({"containers": [container("app", APP, &json!({})), alone]});
        pod(&[("containers", "app")], &spec).to_string()
    };
    let mount = |volume: &str, sub_path: Option<&str>| json!({"name": volume, "mountPath": "/etc/secret", "subPath": sub_path, "readOnly": true});
    let volume = "aws-secrets-injector";
    for (mount, words) in [
        (mount(volume, None), "subPath: files/NAME for one"),
        (mount(volume, Some("other")), "subPath: files/NAME for one"),
        (
            mount("aws-secrets-injector-state", None),
            "reserved for the injector",
        ),
        (
            mount("aws-secrets-injector-token", None),
            "reserved for the injector",
        ),
    ] {
        let error = own.namespace.apply(&[&with(mount)]).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let file = format!("files/{}", own.names[0]);
    own.run(&with(mount(volume, Some(&file))), "app");
    assert_eq!(read(&own, "alone", "/etc/secret").unwrap(), "first");
    let write = own.namespace.kubectl(&[
        "exec",
        "app",
        "-c",
        "alone",
        "--",
        "sh",
        "-c",
        "echo x > /etc/secret",
    ]);
    assert!(write.unwrap_err().to_string().contains("Read-only"));
}

/// Processes with a shared namespace and the same user can reach each other's files through /proc, unless one prevents it.
pub(crate) fn through_processes(world: &World) {
    let own = own_with(world, "reads-through-proc", 1, "");
    let spec = json!({
        "shareProcessNamespace": true,
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
        "containers": [
            container("app", APP, &json!({})),
            container("curious", APP, &json!({})),
        ],
    });
    let pod = pod(&[("containers", "app")], &spec);
    own.run(&pod.to_string(), "app");
    let reach = |what: &str| {
        let script = format!("ls -d /proc/[0-9]*/root{what} 2>/dev/null; true");
        let arguments = ["exec", "app", "-c", "curious", "--", "sh", "-c", &script];
        own.namespace.kubectl(&arguments).unwrap()
    };
    assert!(reach("/bin/sh").contains("/root/bin/sh"), "the app's own");
    assert_eq!(reach("/var/run/secrets/aws-secrets-injector/token"), "");
    // The path at which the sidecar could write them. The app sees them without this part.
    assert_eq!(reach("/mnt/secrets-store/files"), "");
}

/// When the pod's sandbox has stopped, the kubelet recreates the containers and runs the init container again. The files take
/// more than half of the volume, so the second run must make room first.
pub(crate) fn sandbox_ended(world: &World) {
    let own = own_with(world, "reads-again", 140, "");
    let value = "x".repeat(65_000);
    for name in &own.names {
        own.set(name, &value);
    }
    let spec = json!({"containers": [container("app", ROOT_APP, &json!({}))]});
    let mut pod = pod(&[], &spec);
    let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.remove("aws-secrets-injector.io/refresh-interval");
    own.run(&pod.to_string(), "app");
    let uid = own.namespace.get(&["pod", "app"])["metadata"]["uid"].clone();
    let uid = uid.as_str().unwrap();
    let script = format!(
        "for p in /proc/[0-9]*; do grep -q -e {uid} -e {} $p/cgroup && tr '\\0' ' ' < $p/cmdline | grep -Eq '^(/pause|[^ ]*/busybox sleep 1000000000)' && kill -9 ${{p#/proc/}}; done; true",
        uid.replace('-', "_")
    );
    let mut killer = container("killer", ROOT_APP, &json!({"runAsUser": 0}));
    killer["command"] = json!(["sh", "-c", script]);
    let killer = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "killer"},
        "spec": {"hostPID": true, "restartPolicy": "Never", "containers": [killer]},
    });
    own.namespace.apply(&[&killer.to_string()]).unwrap();
    let restarts = || {
        let pod = own.namespace.get(&["pod", "app"]);
        pod["status"]["containerStatuses"][0]["restartCount"].as_u64()
    };
    let path = format!("/mnt/secrets-store/{}", own.names[0]);
    let reads_again = || Ok(restarts() > Some(0) && read(&own, "app", &path)? == value);
    world
        .kubectl
        .wait_until("the app of the new sandbox reads its file", reads_again)
        .unwrap();
}

/// Without these node settings, the other scenarios in this file would prove nothing.
pub(crate) fn node_settings(world: &World) {
    let namespace = world.namespace("node-settings");
    let asks = container("asks", APP, &json!({}));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asks"},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [asks]},
    });
    namespace.apply(&[&pod.to_string()]).unwrap();
    namespace
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "--timeout=120s",
            "pod/asks",
        ])
        .unwrap();
    for (name, value) in NODE_SETTINGS {
        let file = format!("{FOLDER}/{name}");
        let found = namespace.kubectl(&["exec", "asks", "--", "cat", &file]);
        let name = name.replace('/', ".");
        assert_eq!(
            found.unwrap().trim(),
            value,
            "the nodes must have {name} = {value}, as users' nodes have: sysctl -w {name}={value} on each"
        );
    }
}
