//! Kubernetes Secrets that pods write: a TLS Secret from one PEM, and many pods that share a Secret.

use std::time::{Duration, SystemTime};

use certs::issue::{issue_authority, issue_serving};
use e2e::admissions::blocking;
use e2e::install::service_account;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use serde_json::json;

use crate::kubernetes_secrets::{MODE, class_with_secret, deployment, grant, syncing, value};
use crate::variables::own_with;
use crate::world::World;

/// What an Ingress needs, from a secret that has the certificate and its key in one PEM.
pub(crate) fn tls(world: &World) {
    let names = ["shop.example.com".to_owned()];
    let (now, day) = (SystemTime::now(), Duration::from_hours(24));
    let authority = issue_authority(&names, now, day).unwrap();
    let serving = issue_serving(&authority, &names, now, day).unwrap();
    let chain = serving.chain().to_owned() + &authority.certificate.pem;
    let pem = chain.clone() + serving.key();
    let secret_objects = json!([{
        "secretName": "shop-tls",
        "type": "kubernetes.io/tls",
        "data": [
            {"objectName": "pem", "key": "tls.crt"},
            {"objectName": "pem", "key": "tls.key"},
        ],
    }]);
    let namespace = own_with(world, "secret-tls", &[("pem", &pem)], &secret_objects);
    grant(&namespace, "own", "default");
    namespace.apply(&[&syncing("app").to_string()]).unwrap();
    world
        .kubectl
        .wait_until("the Secret is there", || {
            Ok(value(&namespace, "shop-tls", "tls.key").trim() == serving.key().trim())
        })
        .unwrap();
    let certificates = value(&namespace, "shop-tls", "tls.crt");
    assert_eq!(certificates.trim(), chain.trim());
    let secret = namespace.get(&["secret", "shop-tls"]);
    assert_eq!(secret["type"], "kubernetes.io/tls");
}

/// Eight pods of a Deployment start at once and write one Secret. It exists at every moment of the rollout that follows.
pub(crate) fn shared(world: &World) {
    let namespace = world.namespace("secret-shared");
    namespace
        .apply(&[&service_account("web"), &class_with_secret()])
        .unwrap();
    grant(&namespace, "aws-secrets", "web");
    let mut web = deployment(&json!({MODE: "sync"}));
    web["spec"]["replicas"] = 8.into();
    namespace.apply(&[&web.to_string()]).unwrap();
    namespace.wait_for_web();
    let pods = namespace.get(&["pods"]);
    let restarts = pods["items"].as_array().unwrap().iter().map(|pod| {
        let statuses = &pod["status"]["initContainerStatuses"];
        statuses[0]["restartCount"].as_i64().unwrap()
    });
    assert_eq!(restarts.sum::<i64>(), 0, "none had to try again");

    let (runtime, client) = blocking(&world.kubectl).unwrap();
    let api: Api<Secret> = Api::namespaced(client, &namespace.name);
    let watch = async move {
        let only = WatchParams::default().fields("metadata.name=db-credentials");
        let mut events = api.watch(&only, "0").await.unwrap().boxed();
        loop {
            match events.next().await {
                Some(Ok(
                    WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Bookmark(_),
                )) => {}
                other => return format!("{other:?}"),
            }
        }
    };
    let deletion = std::thread::spawn(move || runtime.block_on(watch));
    for arguments in [
        ["scale", "deployment/web", "--replicas=3"],
        ["rollout", "restart", "deployment/web"],
    ] {
        namespace.kubectl(&arguments).unwrap();
        namespace.wait_for_web();
    }
    let is_there = !deletion.is_finished();
    assert!(is_there, "{}", deletion.join().unwrap());
    assert_eq!(value(&namespace, "db-credentials", "username"), "admin");
}
