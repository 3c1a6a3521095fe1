//! Without the webhook, or without its configuration, pods without the annotation are not affected, and annotated pods are
//! refused instead of started without their secrets.

use std::time::Duration;

use e2e::progress::line;
use serde_json::{Value, json};

use crate::bare::{annotated_pod, runs_unchanged};
use crate::life::{stream, wait_until_reached};
use crate::release::Release;
use crate::variables::{METHODS, dry_run, fill, pod, refusal, restarting};
use crate::world::World;

pub(crate) fn no_replica(world: &World) {
    let release = Release::install(world, "no-replica", "");
    let bare = stream(&release.apps, false, 10);
    let scale = |replicas: &str| {
        let scale = ["scale", &release.deployment(), replicas];
        release.namespace.kubectl(&scale).unwrap()
    };
    scale("--replicas=0");
    let gone = ["wait", "--for=delete", "pod", "--all", "--timeout=120s"];
    release.namespace.kubectl(&gone).unwrap();
    runs_unchanged(&release.apps, "bare");
    let error = release.apps.apply(&[&annotated_pod("annotated")]);
    let error = error.unwrap_err().to_string();
    let refusal = "failed calling webhook \"pods.aws-secrets-injector.io\"";
    assert!(error.contains(refusal), "{error}");
    let annotated = stream(&release.apps, true, 10);
    std::thread::sleep(Duration::from_secs(2));
    let annotated = annotated.stop().unwrap();
    line(&format!("no replica, annotated: {annotated}"));
    assert_eq!((annotated.injected, annotated.bare), (0, 0));
    for error in annotated.refused.keys() {
        assert!(error.contains(refusal), "{error}");
    }
    scale("--replicas=2");
    release.wait();
    let bare = bare.stop().unwrap();
    line(&format!("no replica for a while, not annotated: {bare}"));
    assert_eq!((bare.bare, bare.refused.len()), (bare.sent, 0));
}

pub(crate) fn no_configuration(world: &World) {
    let release = Release::install(world, "no-configuration", "");
    wait_until_reached(&release.apps);
    let namespace = &release.apps;
    fill(namespace, &[("password", "value")], &json!([]));
    let [kubelet, exec] = METHODS.map(|method| {
        let pod = pod(method, "own", "DB_PASSWORD=password", "true").to_string();
        dry_run(namespace, &pod).unwrap()
    });
    let restarting = dry_run(namespace, &restarting("exec").to_string()).unwrap();
    world
        .kubectl
        .run(&["delete", &release.configuration()])
        .unwrap();
    let refuses = |pod: &str, words: &str| {
        let refuses = || Ok(refusal(namespace, pod).contains(words));
        let kubectl = &world.kubectl;
        kubectl.wait_until("the policy refuses", refuses).unwrap();
    };
    // The API server takes a moment to notice that the configuration is gone.
    let words = "was not given the container that fetches them";
    refuses(&json_of(&annotated_pod("annotated")), words);
    runs_unchanged(namespace, "bare");

    let destroyed = |pod: &Value, field: &str, value: Value| {
        let mut pod = pod.clone();
        *pod["spec"].pointer_mut(field).unwrap() = value;
        pod.to_string()
    };
    let variables = "a container that should have the variables does not get all of them";
    let rule = "its sidecar has lost the restartPolicyRules that restart the containers";
    let (env, command) = ("/containers/0/env", "/containers/0/command");
    let rules = "/initContainers/1/restartPolicyRules";
    let other = json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [85]}}]);
    for (pod, field, value, words) in [
        (&kubelet, env, Value::Null, variables),
        (
            &kubelet,
            env,
            json!([{"name": "DB_PASSWORD", "value": ""}]),
            variables,
        ),
        (&exec, command, json!(["true"]), variables),
        (&restarting, rules, Value::Null, rule),
        (&restarting, rules, other, rule),
    ] {
        // What was injected before is still whole.
        dry_run(namespace, &pod.to_string()).unwrap();
        refuses(&destroyed(pod, field, value), words);
    }
}

/// A manifest as JSON.
fn json_of(manifest: &str) -> String {
    let value: Value = serde_yaml::from_str(manifest).unwrap();
    value.to_string()
}
