//! Other webhooks change the same pods before and after this one. The result is valid, or it is refused.

use e2e::admissions::{blocking, dry_run};
use e2e::images::APP;
use e2e::install::{example_class, example_deployment, service_account};
use kube::Api;
use serde_json::{Value, json};

use crate::other_webhook::{Change, OtherWebhook};
use crate::world::{Namespace, World};

/// Like Istio and Linkerd: an init container redirects traffic to a proxy, which is a native sidecar.
fn mesh(pod: &Value) -> Value {
    let container =
        |name: &str| json!({"name": name, "image": APP, "imagePullPolicy": "IfNotPresent"});
    let mut init = container("mesh-init");
    init["command"] = json!(["true"]);
    let mut proxy = container("mesh-proxy");
    proxy["restartPolicy"] = "Always".into();
    let mut containers = vec![init, proxy];
    containers.extend(
        pod["spec"]["initContainers"]
            .as_array()
            .cloned()
            .unwrap_or_default(),
    );
    json!([{"op": "add", "path": "/spec/initContainers", "value": containers}])
}

/// Like older meshes: the proxy is another container.
fn mesh_without_native_sidecar(pod: &Value) -> Value {
    let mut patch = mesh(pod);
    let containers = patch[0]["value"].as_array_mut().unwrap();
    let mut proxy = containers.remove(1);
    proxy.as_object_mut().unwrap().remove("restartPolicy");
    let add = json!({"op": "add", "path": "/spec/containers/-", "value": proxy});
    patch.as_array_mut().unwrap().push(add);
    patch
}

/// Like EKS's pod-identity webhook: variables, a token and its mount for every container without them.
fn pod_identity(pod: &Value) -> Value {
    let token = json!({"name": "aws-iam-token", "projected": {"sources": [
        {"serviceAccountToken": {"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}},
    ]}});
    let mut patch = vec![volume(pod, &token)];
    for list in ["initContainers", "containers"] {
        for (index, container) in pod["spec"][list]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let mut container = container.clone();
            let extend = |container: &mut Value, field: &str, values: Value| {
                let mut all = container[field].as_array().cloned().unwrap_or_default();
                all.extend(values.as_array().cloned().unwrap());
                container[field] = all.into();
            };
            if !container["env"].to_string().contains("AWS_ROLE_ARN") {
                let file = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
                extend(
                    &mut container,
                    "env",
                    json!([
                        {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"},
                        {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"},
                        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": file},
                    ]),
                );
            }
            extend(
                &mut container,
                "volumeMounts",
                json!([
                    {"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true},
                ]),
            );
            patch.push(json!({"op": "replace", "path": format!("/spec/{list}/{index}"), "value": container}));
        }
    }
    patch.into()
}

fn volume(pod: &Value, volume: &Value) -> Value {
    if pod["spec"]["volumes"].is_array() {
        json!({"op": "add", "path": "/spec/volumes/-", "value": volume})
    } else {
        json!({"op": "add", "path": "/spec/volumes", "value": [volume]})
    }
}

/// A webhook that removes unknown fields.
fn strips_mounts(_: &Value) -> Value {
    json!([{"op": "add", "path": "/spec/containers/0/volumeMounts", "value": []}])
}

fn mounts_writable(_: &Value) -> Value {
    json!([{"op": "add", "path": "/spec/containers/0/volumeMounts/-", "value": {"name": "aws-secrets-injector", "mountPath": "/writable"}}])
}

fn mounts_token(_: &Value) -> Value {
    json!([{"op": "add", "path": "/spec/initContainers/-", "value": {
        "name": "curious", "image": APP,
        "volumeMounts": [
            {"name": "aws-secrets-injector", "mountPath": "/mnt/secrets-store", "subPath": "files", "readOnly": true},
            {"name": "aws-secrets-injector-token", "mountPath": "/token", "readOnly": true},
        ],
    }}])
}

/// Moves its container to the front every time it is called.
fn goes_first(pod: &Value) -> Value {
    let first = &pod["spec"]["initContainers"][0];
    if first["name"] == "first" {
        return json!([]);
    }
    let is_there = names(&pod["spec"]["initContainers"]).contains(&"first");
    let container = json!({
        "name": "first", "image": APP,
        "volumeMounts": [{
            "name": "aws-secrets-injector", "mountPath": "/mnt/secrets-store", "subPath": "files", "readOnly": true,
        }],
    });
    let add = json!({"op": "add", "path": "/spec/initContainers/0", "value": container});
    if is_there {
        json!([{"op": "move", "from": "/spec/initContainers/1", "path": "/spec/initContainers/0"}])
    } else {
        json!([add])
    }
}

fn strips_init_containers(_: &Value) -> Value {
    json!([{"op": "add", "path": "/spec/initContainers", "value": []}])
}

fn takes_command(_: &Value) -> Value {
    json!([{"op": "add", "path": "/spec/initContainers/0/command", "value": ["sh"]}])
}

/// A pod that another webhook changes and this one injects, as the API server returns it.
fn made(namespace: &Namespace<'_>, webhook: &str) -> Result<Value, String> {
    let pod = json!({
        "metadata": {
            "generateName": "web-",
            "labels": {"other-webhook": webhook},
            "annotations": {"aws-secrets-injector.io/secret-provider-class": "aws-secrets"},
        },
        "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "image": APP}]},
    });
    let pod = serde_json::from_value(pod).unwrap();
    let (runtime, client) = blocking(&namespace.world.kubectl).unwrap();
    let made = runtime.block_on(dry_run(&Api::namespaced(client, &namespace.name), &pod));
    made.map(|pod| serde_json::to_value(pod).unwrap())
        .map_err(|error| error.to_string())
}

/// Whether the other webhook has changed this pod.
type IsChanged = fn(&Value) -> bool;

/// Returns the pod once the API server has noticed the other webhook, which takes a moment after it is registered.
fn changed(namespace: &Namespace<'_>, webhook: &str, is_changed: IsChanged) -> Value {
    let pod = || made(namespace, webhook).map_err(anyhow::Error::msg);
    let what = format!("the webhook {webhook} changes pods");
    let noticed = || Ok(is_changed(&pod()?));
    namespace.world.kubectl.wait_until(&what, noticed).unwrap();
    pod().unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item["name"].as_str().unwrap()).collect()
}

/// Checks that every container mounts the secrets read-only, except the injector, which is the first and can write them.
fn is_whole(pod: &Value) {
    let spec = &pod["spec"];
    assert_eq!(
        names(&spec["initContainers"])[0],
        "aws-secrets-injector",
        "{pod:#}"
    );
    let all = [&spec["initContainers"], &spec["containers"]];
    for container in all.iter().flat_map(|list| list.as_array().unwrap()) {
        let mounts = container["volumeMounts"].as_array().unwrap();
        let ours: Vec<_> = mounts
            .iter()
            .filter(|mount| mount["name"] == "aws-secrets-injector")
            .collect();
        assert_eq!(ours.len(), 1, "{container:#}");
        assert_eq!(
            ours[0]["readOnly"] == true,
            container["name"] != "aws-secrets-injector",
            "{container:#}"
        );
    }
}

pub(crate) fn before_and_after(world: &World) {
    let namespace = world.namespace("other-webhooks");
    namespace
        .apply(&[&service_account("web"), &example_class("v1")])
        .unwrap();
    let has_mesh = |pod: &Value| pod["spec"].to_string().contains("mesh-proxy");
    let has_token = |pod: &Value| names(&pod["spec"]["volumes"]).contains(&"aws-iam-token");
    let cases: [(&str, Change, IsChanged); 6] = [
        ("aa-mesh", mesh, has_mesh),
        ("zz-mesh", mesh, has_mesh),
        ("aa-old-mesh", mesh_without_native_sidecar, has_mesh),
        ("zz-old-mesh", mesh_without_native_sidecar, has_mesh),
        ("aa-pod-identity", pod_identity, has_token),
        ("zz-pod-identity", pod_identity, has_token),
    ];
    for (name, change, is_changed) in cases {
        let _webhook = OtherWebhook::start(world, name, change, false);
        is_whole(&changed(&namespace, name, is_changed));
    }
}

pub(crate) fn mesh_runs(world: &World) {
    let namespace = world.namespace("mesh");
    let _webhook = OtherWebhook::start(world, "zz-running-mesh", mesh, false);
    namespace
        .apply(&[&service_account("web"), &example_class("v1")])
        .unwrap();
    changed(&namespace, "zz-running-mesh", |pod| {
        pod["spec"].to_string().contains("mesh-proxy")
    });
    let labelled = example_deployment().replace(
        "labels: {app: web}",
        "labels: {app: web, other-webhook: zz-running-mesh}",
    );
    // Containers of the mesh run as the user of their image.
    let labelled = labelled.replace("runAsNonRoot: true", "runAsNonRoot: false");
    namespace.apply(&[&labelled]).unwrap();
    namespace.wait_for_web();
    for container in ["app", "mesh-proxy"] {
        assert_eq!(
            namespace
                .sh(container, "cat /mnt/secrets-store/MySecret3")
                .unwrap(),
            "third"
        );
    }
}

pub(crate) fn destroyed(world: &World) {
    let namespace = world.namespace("destroyed");
    namespace
        .apply(&[&service_account("web"), &example_class("v1")])
        .unwrap();
    let cases: [(&str, Change, &str); 4] = [
        (
            "zz-strips-mounts",
            strips_mounts,
            "does not mount them read-only",
        ),
        (
            "zz-strips-init",
            strips_init_containers,
            "was not given the container",
        ),
        (
            "zz-goes-first",
            goes_first,
            "comes before aws-secrets-injector",
        ),
        (
            "zz-takes-command",
            takes_command,
            "was not given the container",
        ),
    ];
    for (name, change, words) in cases {
        // If it is called once, this webhook is called again and restores the fields.
        let once = OtherWebhook::start(world, name, change, false);
        is_whole(&changed(&namespace, name, |_| true));
        drop(once);
        // If it is called again after this webhook, the policy refuses the result.
        is_refused(&namespace, name, change, true, words);
    }
    // The policy also refuses what this webhook does not check.
    is_refused(
        &namespace,
        "zz-mounts-writable",
        mounts_writable,
        false,
        "mounts the secrets of aws-secrets-injector writable",
    );
    is_refused(
        &namespace,
        "zz-mounts-token",
        mounts_token,
        false,
        "mounts the volume aws-secrets-injector-token",
    );
}

/// Checks that the policy refuses a pod after the changes of another webhook.
fn is_refused(namespace: &Namespace<'_>, name: &str, change: Change, again: bool, words: &str) {
    let _webhook = OtherWebhook::start(namespace.world, name, change, again);
    let what = format!("the policy refuses what {name} leaves");
    let refused = || Ok(made(namespace, name).is_err_and(|error| error.contains(words)));
    namespace.world.kubectl.wait_until(&what, refused).unwrap();
}
