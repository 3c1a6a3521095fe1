//! Kubernetes Secrets of classes: pods that refer to them, without the Secret and with it.

use e2e::images::APP;
use e2e::install::{example_class, service_account};
use serde_json::{Value, json};

use crate::shell::Shell;
use crate::variables::{METHODS, has_printed, own_with, set};
use crate::world::{Namespace, World};

pub(crate) const MODE: &str = "aws-secrets-injector.io/secret-objects";

/// The class of AWS's documentation with a Secret of its two aliases.
pub(crate) fn class_with_secret() -> String {
    example_class("v1")
        + "  secretObjects:
    - secretName: db-credentials
      type: Opaque
      labels: {team: shop}
      data:
        - objectName: dbusername
          key: username
        - objectName: dbpassword
          key: password
"
}

fn of_secret(name: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "db-credentials", "key": key}}})
}

/// A Deployment that refers to the Secret and prints the values.
pub(crate) fn deployment(annotations: &Value) -> Value {
    let mut all = json!({"aws-secrets-injector.io/secret-provider-class": "aws-secrets"});
    all.as_object_mut()
        .unwrap()
        .extend(annotations.as_object().unwrap().clone());
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": all},
                "spec": {
                    "serviceAccountName": "web",
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{
                        "name": "app", "image": APP, "imagePullPolicy": "IfNotPresent",
                        "command": ["sh", "-c", "env | grep -e DB_ -e USERNAME= | sort; sleep 3600"],
                        "envFrom": [{"prefix": "DB_", "secretRef": {"name": "db-credentials"}}],
                        "env": [of_secret("USERNAME", "username")],
                    }],
                },
            },
        },
    })
}

const PRINTED: &str = "DB_password=correct horse\nDB_username=admin\nUSERNAME=admin\n";

fn secrets(namespace: &Namespace<'_>) -> String {
    namespace
        .kubectl(&["get", "secrets", "-o", "name"])
        .unwrap()
}

/// By both methods of `env`, no Secret is made.
pub(crate) fn without_secret(world: &World) {
    for method in METHODS {
        let namespace = world.namespace(&format!("secret-references-{method}"));
        let web = deployment(&json!({"aws-secrets-injector.io/env-method": method}));
        namespace
            .apply(&[
                &service_account("web"),
                &class_with_secret(),
                &web.to_string(),
            ])
            .unwrap();
        namespace.wait_for_web();
        has_printed(&namespace, "deployment/web", "app", PRINTED);
        assert_eq!(secrets(&namespace), "");
    }
}

/// The Secret, decoded; nothing if it does not exist.
pub(crate) fn value(namespace: &Namespace<'_>, secret: &str, key: &str) -> String {
    let template = format!("go-template={{{{index .data {key:?} | base64decode}}}}");
    let read = namespace.kubectl(&["get", "secret", secret, "-o", &template]);
    read.unwrap_or_default()
}

/// Prints the Role for the ServiceAccount, and applies it.
pub(crate) fn grant(namespace: &Namespace<'_>, class: &str, account: &str) {
    let name = &namespace.name;
    let command = format!(
        "kubectl get secretproviderclass -n {name} {class} -o yaml | aws-secrets-injector check --rbac --service-account {account} - | kubectl apply -f -"
    );
    Shell::new(namespace.world, name).run(&command);
}

/// Refused without the right, then with the printed Role: the Secret is there before the app, and goes with the Deployment.
pub(crate) fn synced(world: &World) {
    let namespace = world.namespace("secret-sync");
    let web = deployment(&json!({MODE: "sync"})).to_string();
    namespace
        .apply(&[&service_account("web"), &class_with_secret(), &web])
        .unwrap();
    let event =
        namespace.wait_for_event(&["may not create and patch the Secret \"db-credentials\""]);
    // The command as the message has it.
    let command = event.find("kubectl get").map(|start| &event[start..]);
    Shell::new(world, &namespace.name).run(command.unwrap());
    namespace
        .kubectl(&["rollout", "restart", "deployment/web"])
        .unwrap();
    namespace.wait_for_web();
    has_printed(&namespace, "deployment/web", "app", PRINTED);
    let secret = namespace.get(&["secret", "db-credentials"]);
    assert_eq!(secret["metadata"]["labels"]["team"], "shop");
    assert_eq!(
        secret["metadata"]["labels"]["secrets-store.csi.k8s.io/managed"],
        "true"
    );
    let owner = &secret["metadata"]["ownerReferences"][0];
    assert_eq!(owner["kind"], "ReplicaSet", "{owner}");
    let first = replica_set(&namespace);
    // A rollout adds the owner of the new pods.
    namespace
        .kubectl(&["rollout", "restart", "deployment/web"])
        .unwrap();
    namespace.wait_for_web();
    let secret = namespace.get(&["secret", "db-credentials"]);
    let owners = secret["metadata"]["ownerReferences"].to_string();
    // The refused pod may have come before the first rollout, and its ReplicaSet is an owner then.
    for replica_set in [first, replica_set(&namespace)] {
        assert!(owners.contains(&replica_set), "{owners}");
    }
    namespace
        .kubectl(&["delete", "deployment", "web", "--cascade=foreground"])
        .unwrap();
    let kubectl = &world.kubectl;
    kubectl
        .wait_until("the Secret goes with its last owner", || {
            Ok(secrets(&namespace).is_empty())
        })
        .unwrap();
}

/// The ReplicaSet of the pod that is not being deleted, as JSON.
fn replica_set(namespace: &Namespace<'_>) -> String {
    let pods = namespace.get(&["pods", "-l", "app=web"]);
    let mut pods = pods["items"].as_array().unwrap().iter();
    let pod = pods.find(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    pod.unwrap()["metadata"]["ownerReferences"][0]["name"].to_string()
}

/// A pod of the class `own` whose Secret follows AWS.
pub(crate) fn syncing(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "annotations": {
            "aws-secrets-injector.io/secret-provider-class": "own",
            "aws-secrets-injector.io/refresh-interval": "1s",
            MODE: "sync",
        }},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app", "image": APP, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"],
            }],
        },
    })
}

/// A namespace whose class `own` describes a Secret of its file `password`, with the right to write it.
fn own_secret<'a>(world: &'a World, name: &str) -> Namespace<'a> {
    let secret_objects = json!([{
        "secretName": "own-secret", "type": "Opaque", "data": [{"objectName": "password", "key": "password"}],
    }]);
    let namespace = own_with(world, name, &[("password", "one")], &secret_objects);
    grant(&namespace, "own", "default");
    namespace
}

/// The Secret follows AWS with pods of two versions of the class, comes back when it is deleted, and is refused to another class.
pub(crate) fn rotated(world: &World) {
    let namespace = own_secret(world, "secret-rotated");
    namespace.apply(&[&syncing("older").to_string()]).unwrap();
    let kubectl = &world.kubectl;
    let follows = |expected: [&str; 2]| {
        let wanted = format!("the Secret has {expected:?}");
        let values = || ["password", "copy"].map(|key| value(&namespace, "own-secret", key));
        kubectl
            .wait_until(&wanted, || Ok(values() == expected))
            .unwrap();
    };
    follows(["one", ""]);
    let patch = |class: &str, patch: &Value| {
        let patch = patch.to_string();
        let arguments = ["patch", "secretproviderclass", class, "--type=json", "-p"];
        namespace
            .kubectl(&[&arguments[..], &[&patch]].concat())
            .unwrap();
    };
    let added = json!({"objectName": "password", "key": "copy"});
    patch(
        "own",
        &json!([{"op": "add", "path": "/spec/secretObjects/0/data/-", "value": added}]),
    );
    namespace.apply(&[&syncing("newer").to_string()]).unwrap();
    follows(["one", "one"]);
    for rotation in ["two", "three", "four"] {
        set(&namespace, "password", rotation);
        follows([rotation, rotation]);
    }
    namespace
        .kubectl(&["delete", "secret", "own-secret"])
        .unwrap();
    follows(["four", "four"]);

    let mut other = namespace.get(&["secretproviderclass", "own"]);
    other["metadata"] = json!({"name": "other"});
    let mut pod = syncing("other");
    pod["metadata"]["annotations"]["aws-secrets-injector.io/secret-provider-class"] =
        "other".into();
    namespace
        .apply(&[&other.to_string(), &pod.to_string()])
        .unwrap();
    kubectl
        .wait_until(
            "the pod of another class says why it does not start",
            || {
                let described = namespace.kubectl(&["describe", "pod", "other"])?;
                let is_named = described.contains("Secret \"own-secret\": data.");
                Ok(is_named && described.contains("is also in the class \"own\""))
            },
        )
        .unwrap();

    namespace
        .kubectl(&["delete", "pod", "newer", "other"])
        .unwrap();
    follows(["four", ""]);
    namespace.kubectl(&["delete", "pod", "older"]).unwrap();
    kubectl
        .wait_until("the Secret goes with its last pod", || {
            Ok(secrets(&namespace).is_empty())
        })
        .unwrap();
}

pub(crate) fn foreign(world: &World) {
    let namespace = own_secret(world, "secret-foreign");
    namespace
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "own-secret",
            "--from-literal=other=theirs",
        ])
        .unwrap();
    let before = namespace.get(&["secret", "own-secret"]);
    namespace.apply(&[&syncing("app").to_string()]).unwrap();
    let kubectl = &world.kubectl;
    kubectl
        .wait_until("the pod says why it does not start", || {
            let described = namespace.kubectl(&["describe", "pod", "app"])?;
            Ok(described.contains(
                "Secret \"own-secret\" already exists and is managed by \"kubectl-create\"",
            ))
        })
        .unwrap();
    assert_eq!(namespace.get(&["secret", "own-secret"]), before);
    namespace
        .kubectl(&["delete", "secret", "own-secret"])
        .unwrap();
    kubectl
        .wait_until("the pod starts", || {
            Ok(value(&namespace, "own-secret", "password") == "one")
        })
        .unwrap();
}
