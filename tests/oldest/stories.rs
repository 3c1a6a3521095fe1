//! What a user sees.

use e2e::helm;
use e2e::install::{NAMESPACE, example_class};
use serde_json::{Value, json};

use crate::world::{RELEASE, World, pod, pod_with};

/// What the policy says about a pod without the injection.
const NOT_INJECTED: &str = "was not given the container that fetches them";

fn assert_contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

/// The names in a list of containers or the like.
fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|item| item["name"].as_str()).collect()
}

pub(crate) fn version(world: &World) {
    let version = world.kubectl.run(&["version", "-o", "json"]).unwrap();
    let version: Value = serde_json::from_str(&version).unwrap();
    let minor = version["serverVersion"]["minor"].as_str().unwrap();
    let chart = std::fs::read_to_string(helm::chart().join("Chart.yaml")).unwrap();
    assert_contains(&chart, &[&format!("kubeVersion: \">=1.{minor}.0-0\"")]);
}

pub(crate) fn bare(world: &World) {
    let bare = pod_with("bare", &[]);
    let admitted = world.review(&bare).unwrap();
    assert!(
        !admitted.to_string().contains("aws-secrets"),
        "{admitted:#}"
    );
    let mut other = bare.clone();
    other["metadata"]["annotations"] = json!({"example.com/a": "b"});
    world.review(&other).unwrap();
}

pub(crate) fn unreachable(world: &World) {
    let objects = pod_with("objects", &[("objects", "[]")]);
    for pod in [pod("annotated", &[]), objects] {
        let words = [
            "failed calling webhook \"pods.aws-secrets-injector.io\"",
            "No Webhook",
        ];
        assert_contains(&world.refusal(&pod), &words);
    }
}

pub(crate) fn misspelt(world: &World) {
    let pod = pod_with("misspelt", &[("secret-provider-classes", "aws-secrets")]);
    let words = [
        "ValidatingAdmissionPolicy 'aws-secrets-injector-annotations'",
        "has the annotation aws-secrets-injector.io/secret-provider-classes but neither",
        "rename the annotation",
    ];
    assert_contains(&world.refusal(&pod), &words);
}

/// The example's class with a mistake.
fn bad_class(name: &str) -> String {
    example_class("v1")
        .replace("name: aws-secrets", &format!("name: {name}"))
        .replace("- path: username", "- path: user-name")
}

pub(crate) fn class_unchecked(world: &World) {
    world.apply(&bad_class("unchecked")).unwrap();
}

pub(crate) fn class_checked(world: &World) {
    let error = world.apply(&bad_class("checked")).unwrap_err().to_string();
    let words = [
        "\"classes.aws-secrets-injector.io\" denied the request",
        "jmesPath[0].path (line 3 of objects): \"user-name\" is not a JMESPath expression",
    ];
    assert_contains(&error, &words);
    let azure = bad_class("azure").replace("provider: aws", "provider: azure");
    world.apply(&azure).unwrap();
}

/// Native sidecars are the newest part of a pod that every supported version has.
pub(crate) fn injected(world: &World) {
    let pod = pod("injected", &[("refresh-interval", "1h")]);
    let stored = world.created(&pod).unwrap();
    let spec = &stored["spec"];
    let containers = ["aws-secrets-injector", "aws-secrets-refresher"];
    assert_eq!(names(&spec["initContainers"]), containers, "{stored:#}");
    assert_eq!(spec["initContainers"][1]["restartPolicy"], "Always");
    let mounts = names(&spec["containers"][0]["volumeMounts"]);
    assert!(mounts.contains(&"aws-secrets-injector"), "{stored:#}");
}

/// What this version cannot do is refused, because the API server would drop the fields silently.
pub(crate) fn too_old(world: &World) {
    let kubelet = pod("kubelet", &[("env", "*")]);
    let words = [
        "annotation aws-secrets-injector.io/env: this cluster is Kubernetes 1.30",
        "needs 1.35 or later",
        "aws-secrets-injector.io/env-method: exec",
    ];
    assert_contains(&world.refusal(&kubelet), &words);
    let restart = [("refresh-interval", "1h"), ("on-refresh", "restart")];
    let words = [
        "this cluster is Kubernetes 1.30",
        "on-refresh restart needs 1.36 or later",
    ];
    assert_contains(&world.refusal(&pod("restart", &restart)), &words);
    // What the messages say to set instead.
    let exec = [("env", "*"), ("env-method", "exec")];
    world.review(&pod("exec", &exec)).unwrap();
    let signal = [
        ("refresh-interval", "1h"),
        ("on-refresh", "signal:SIGTERM:app"),
    ];
    let mut signal = pod("signal", &signal);
    signal["spec"]["shareProcessNamespace"] = true.into();
    world.review(&signal).unwrap();
}

/// The webhook's ServiceAccount has written the caBundle, because pods are injected.
pub(crate) fn ca_bundle(world: &World) {
    let account = format!("--as=system:serviceaccount:{NAMESPACE}:{RELEASE}");
    for kind in ["mutating", "validating"] {
        let configuration = format!("{kind}webhookconfiguration/{RELEASE}");
        let patch = |path: &str, value: &str| {
            let patch = json!([{"op": "replace", "path": path, "value": value}]).to_string();
            let dry_run = "--dry-run=server";
            let arguments = [
                "patch",
                &configuration,
                &account,
                dry_run,
                "--type=json",
                "-p",
                &patch,
            ];
            world.kubectl.run(&arguments)
        };
        let error = patch("/webhooks/0/clientConfig/service/path", "/").unwrap_err();
        let words = ["ValidatingAdmissionPolicy 'aws-secrets-injector-ca-bundle'"];
        assert_contains(&error.to_string(), &words);
        patch("/webhooks/0/clientConfig/caBundle", "").unwrap();
    }
}

/// Labels that the values exclude from the webhook, but not from the policy.
pub(crate) fn excluded(world: &World) {
    let mut pod = pod("excluded", &[]);
    pod["metadata"]["labels"] = json!({"secrets": "off"});
    assert_contains(&world.refusal(&pod), &[NOT_INJECTED]);
}

/// Only the policy is left. It admits pods that are whole, and no others.
pub(crate) fn without_configuration(world: &World) {
    let refresh = ("refresh-interval", "1h");
    let whole = [refresh, ("env", "A=MySecret3"), ("env-method", "exec")];
    let whole = world.review(&pod("whole", &whole)).unwrap();
    let configuration = format!("mutatingwebhookconfiguration/{RELEASE}");
    world.kubectl.run(&["delete", &configuration]).unwrap();
    // The API server takes a moment to notice.
    let refused = || Ok(world.refusal(&pod("annotated", &[])).contains(NOT_INJECTED));
    world
        .kubectl
        .wait_until("the policy refuses", refused)
        .unwrap();
    world.review(&whole).unwrap();
    for (field, value, words) in [
        ("/spec/initContainers", json!([]), NOT_INJECTED),
        (
            "/spec/initContainers/1/restartPolicy",
            Value::Null,
            "not the sidecar that refreshes its secrets",
        ),
        (
            "/spec/containers/0/command",
            json!(["app"]),
            "a container that should have the variables does not get all of them",
        ),
        (
            "/spec/containers/0/volumeMounts",
            json!([]),
            "a container that should see them does not mount them",
        ),
        (
            "/metadata/annotations",
            json!({
                "aws-secrets-injector.io/secret-provider-class": "aws-secrets",
                "aws-secrets-injector.io/refresh-interval": "1h",
                "aws-secrets-injector.io/on-refresh": "restart",
            }),
            "its sidecar has lost the restartPolicyRules",
        ),
    ] {
        let mut pod = whole.clone();
        *pod.pointer_mut(field).unwrap() = value;
        assert_contains(&world.refusal(&pod), &[words]);
    }
    world.review(&pod_with("bare", &[])).unwrap();
}
