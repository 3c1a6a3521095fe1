//! Pods are created continuously while replicas of the webhook or the API server restart. None is lost or starts without its
//! secrets.

use e2e::admissions::{Admissions, Counts, blocking, dry_run, pod};
use e2e::install::example_class;
use e2e::progress::line;
use kube::Api;

use crate::certificates::lifetimes;
use crate::release::Release;
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

pub(crate) fn replicas(world: &World) {
    let release = Release::install(world, "replicas", "");
    wait_until_reached(&release.apps);
    let before = release.replicas().unwrap();
    let stream = stream(&release.apps, true, 30);
    release.restart();
    // Until the old pods are gone, too.
    let are_new = || {
        let now = release.replicas()?;
        Ok(now.len() == 2 && now.iter().all(|pod| !before.contains(pod)))
    };
    world
        .kubectl
        .wait_until("the old replicas are gone", are_new)
        .unwrap();
    let one = &release.replicas().unwrap()[0];
    release
        .namespace
        .kubectl(&["delete", "pod", one, "--wait"])
        .unwrap();
    release.wait();
    let counts = stream.stop().unwrap();
    all_injected("a rolling restart and a deleted replica", &counts);
}

/// The API server is away for longer than a certificate lives, but not for longer than its CA.
pub(crate) fn api_server_restart(world: &World) {
    let release = Release::install(world, "restarted", &lifetimes("10m"));
    wait_until_reached(&release.apps);
    let stream = stream(&release.apps, true, 20);
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
    release.wait();
    let counts = stream.stop().unwrap();
    all_injected("the API server restarted", &counts);
    // The watches continue: a change of a class reaches the webhook's memory.
    let changed = example_class("v1").replace("MySecret4", "Changed");
    release.apps.apply(&[&changed]).unwrap();
    let (runtime, client) = blocking(&world.kubectl).unwrap();
    let api = Api::namespaced(client, &release.apps.name);
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
