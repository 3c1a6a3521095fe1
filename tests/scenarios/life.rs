//! Pods are created continuously while the webhook or the API server restarts. None is lost or starts without its secrets.

use std::time::Duration;

use e2e::admissions::{Admissions, Counts, blocking, dry_run, pod};
use e2e::install::{self, DEPLOYMENT, NAMESPACE, example_class, service_account};
use e2e::progress::line;
use kube::Api;

use crate::bare::{annotated_pod, runs_unchanged};
use crate::certificates::ShortLived;
use crate::world::{Namespace, World};

pub(crate) fn stream(namespace: &Namespace<'_>, annotated: bool, per_second: u32) -> Admissions {
    let kubectl = &namespace.world.kubectl;
    Admissions::start(
        kubectl,
        &namespace.name,
        &pod(annotated).unwrap(),
        per_second,
    )
}

pub(crate) fn prepared<'a>(world: &'a World, name: &str) -> Namespace<'a> {
    let namespace = world.namespace(name);
    namespace
        .apply(&[&service_account("default"), &example_class("v1")])
        .unwrap();
    namespace
}

/// Waits until the API server reaches the webhook. A Service that had no endpoints refuses connections until the node's
/// proxy learns of the new ones.
pub(crate) fn wait_until_reached(namespace: &Namespace<'_>) {
    let kubectl = &namespace.world.kubectl;
    let (runtime, client) = blocking(kubectl).unwrap();
    let api = Api::namespaced(client, &namespace.name);
    let pod = pod(true).unwrap();
    let is_reached = || {
        runtime.block_on(dry_run(&api, &pod))?;
        Ok(true)
    };
    kubectl
        .wait_until("the API server reaches the webhook", is_reached)
        .unwrap();
}

pub(crate) fn all_injected(what: &str, counts: &Counts) {
    line(&format!("{what}: {counts}"));
    assert!(counts.refused.is_empty(), "{:#?}", counts.refused);
    assert_eq!(counts.injected, counts.sent);
    assert!(counts.sent > 0);
}

pub(crate) fn rolling_restart(world: &World) {
    let namespace = prepared(world, "rolling-restart");
    let stream = stream(&namespace, true, 30);
    for _ in 0..2 {
        world
            .kubectl
            .run(&["-n", NAMESPACE, "rollout", "restart", DEPLOYMENT])
            .unwrap();
        install::wait(&world.kubectl).unwrap();
        // Wait until the old pods are gone, too.
        world
            .kubectl
            .wait_until("the old replicas are gone", || {
                let pods = world
                    .kubectl
                    .run(&["-n", NAMESPACE, "get", "pods", "-o", "name"])?;
                Ok(pods.lines().count() == 2)
            })
            .unwrap();
    }
    all_injected("two rolling restarts", &stream.stop().unwrap());
}

pub(crate) fn killed_replica(world: &World) {
    let namespace = prepared(world, "killed-replica");
    let before = stream(&namespace, true, 30);
    let pods = world
        .kubectl
        .run(&["-n", NAMESPACE, "get", "pods", "-o", "name"])
        .unwrap();
    let one = pods.lines().next().unwrap();
    world
        .kubectl
        .run(&["-n", NAMESPACE, "delete", one, "--wait"])
        .unwrap();
    install::wait(&world.kubectl).unwrap();
    all_injected("one replica deleted", &before.stop().unwrap());
}

pub(crate) fn api_server_restart(world: &World) {
    let namespace = prepared(world, "api-server-restart");
    // The API server is away for longer than a certificate lives, but not for longer than its CA.
    let _restored = ShortLived::begin(world, Duration::from_mins(10));
    wait_until_reached(&namespace);
    let stream = stream(&namespace, true, 20);
    let restarted = world.cluster.restart_api_server().unwrap();
    if !restarted {
        line("the API server of a given cluster is not ours to restart: only its pods were sent");
    }
    world
        .kubectl
        .wait_until("the API server is ready", || {
            Ok(world.kubectl.run(&["get", "--raw", "/readyz"])?.trim() == "ok")
        })
        .unwrap();
    install::wait(&world.kubectl).unwrap();
    let counts = stream.stop().unwrap();
    all_injected("the API server restarted", &counts);
    // The watches continue: a change of a class reaches the webhook's memory.
    let changed = example_class("v1").replace("MySecret4", "Changed");
    namespace.apply(&[&changed]).unwrap();
    let (runtime, client) = blocking(&world.kubectl).unwrap();
    let api = Api::namespaced(client, &namespace.name);
    let pod = pod(true).unwrap();
    let sees = || {
        let made = runtime.block_on(dry_run(&api, &pod))?;
        Ok(format!("{made:?}").contains("Changed"))
    };
    world
        .kubectl
        .wait_until("the webhook sees the changed class", sees)
        .unwrap();
}

pub(crate) fn flood(world: &World) {
    let namespace = prepared(world, "flood");
    let stream = stream(&namespace, true, 50);
    // Nothing waits while the load lasts.
    std::thread::sleep(Duration::from_secs(10));
    let counts = stream.stop().unwrap();
    all_injected("ten seconds of 50 pods a second", &counts);
}

pub(crate) fn scaled_to_zero(world: &World) {
    let namespace = prepared(world, "scaled-to-zero");
    let bare = stream(&namespace, false, 10);
    let scale = |replicas: &str| {
        world
            .kubectl
            .run(&["-n", NAMESPACE, "scale", DEPLOYMENT, replicas])
            .unwrap()
    };
    scale("--replicas=0");
    world
        .kubectl
        .run(&[
            "-n",
            NAMESPACE,
            "wait",
            "--for=delete",
            "pod",
            "--all",
            "--timeout=120s",
        ])
        .unwrap();
    runs_unchanged(&namespace, "bare");
    let error = namespace.apply(&[&annotated_pod("annotated")]);
    let error = error.unwrap_err().to_string();
    let refusal = "failed calling webhook \"pods.aws-secrets-injector.io\"";
    assert!(error.contains(refusal), "{error}");
    let annotated = stream(&namespace, true, 10);
    std::thread::sleep(Duration::from_secs(2));
    let annotated = annotated.stop().unwrap();
    line(&format!("no replica, annotated: {annotated}"));
    assert_eq!((annotated.injected, annotated.bare), (0, 0));
    for error in annotated.refused.keys() {
        assert!(error.contains(refusal), "{error}");
    }
    scale("--replicas=2");
    install::wait(&world.kubectl).unwrap();
    let bare = bare.stop().unwrap();
    line(&format!("no replica for a while, not annotated: {bare}"));
    assert_eq!((bare.bare, bare.refused.len()), (bare.sent, 0));
}
