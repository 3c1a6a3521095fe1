//! Pods that describe their objects in annotations, and what their entries and templates can do.

use aws_stand_in::Seed;
use e2e::images::APP;
use e2e::install::{service_account, wait_for_crd};
use e2e::project;
use serde_json::{Value, json};

use crate::world::{Namespace, World};

const PREFIX: &str = "aws-secrets-injector.io";

/// A password with everything that has a meaning in a URL, a properties file or a shell.
const PASSWORD: &str = r#" p@ss/w:rd?#%&=+'"\$(id)!é "#;

/// A pod whose annotations describe its objects.
fn pod(objects: &str, others: &Value) -> String {
    let mut annotations = json!({format!("{PREFIX}/objects"): objects});
    for (name, value) in others.as_object().unwrap() {
        annotations[format!("{PREFIX}/{name}")] = value.clone();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "annotations": annotations},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "app",
                "image": APP,
                "imagePullPolicy": "IfNotPresent",
                "securityContext": {"runAsUser": 1000},
                "command": ["sh", "-c", "sleep 3600"],
            }],
        },
    })
    .to_string()
}

/// A namespace whose ServiceAccount `default` has a role.
fn namespace<'a>(world: &'a World, name: &str) -> Namespace<'a> {
    let namespace = world.namespace(name);
    namespace.apply(&[&service_account("default")]).unwrap();
    namespace
}

fn run(namespace: &Namespace<'_>, pod: &str) {
    namespace.apply(&[pod]).unwrap();
    let ready = ["wait", "--for=condition=Ready", "--timeout=180s", "pod/app"];
    if let Err(error) = namespace.kubectl(&ready) {
        let described = namespace.kubectl(&["describe", "pods"]);
        panic!("{error:#}\n{}", described.unwrap_or_default());
    }
}

fn sh(namespace: &Namespace<'_>, script: &str) -> anyhow::Result<String> {
    namespace.kubectl(&["exec", "app", "-c", "app", "--", "sh", "-c", script])
}

fn seed_secret(world: &World, name: &str, value: &Value) {
    let (name, value) = (name.to_owned(), value.to_string());
    let make = |seed: Seed| async move { seed.secret(&name, &value).await.map(drop) };
    world.aws.seed(make).unwrap();
}

/// A database URL and a Spring `application.properties` from the keys of one secret.
pub(crate) fn templates(world: &World) {
    let namespace = namespace(world, "annotated-templates");
    let secret = "annotated/db";
    let value = json!({"username": "app", "password": PASSWORD, "port": 5432});
    seed_secret(world, secret, &value);
    let objects = format!(
        "- {{objectName: {secret}, objectType: secretsmanager, jsonKeys: true, wholeFile: false}}\n"
    );
    let templates = r#"
templates: |
  - objectAlias: database-url
    template: postgres://{{ files["username"]|urlencode }}:{{ files["password"]|urlencode }}@db:{{ files["port"] }}/shop
  - objectAlias: application.properties
    template: |
      spring.datasource.username={{ files["username"]|properties }}
      spring.datasource.password={{ files["password"]|properties }}
  - objectAlias: secrets.sh
    format: shell
    uppercase: true
"#;
    let others = json!({"parameters": templates, "mount-path": "/config"});
    run(&namespace, &pod(&objects, &others));
    let url = sh(&namespace, "cat /config/database-url").unwrap();
    let encoded = "%20p%40ss%2Fw%3Ard%3F%23%25%26%3D%2B%27%22%5C%24%28id%29%21%C3%A9%20";
    assert_eq!(url, format!("postgres://app:{encoded}@db:5432/shop"));
    let properties = sh(&namespace, "cat /config/application.properties").unwrap();
    let line = r#"spring.datasource.password=\ p@ss/w\:rd?\#%&\=+'"\\$(id)\!\u00e9\ "#;
    assert!(
        properties.to_lowercase().contains(line),
        "{properties}, not {line}"
    );
    let sourced = sh(
        &namespace,
        r#". /config/secrets.sh; sh -c 'printf %s "$PASSWORD"'"#,
    );
    assert_eq!(sourced.unwrap(), PASSWORD, "a shell reads what was stored");
}

/// Twenty-five parameters on two levels, and how many calls they cost.
pub(crate) fn path(world: &World) {
    let namespace = namespace(world, "annotated-path");
    let root = "/annotated/path";
    let name = |index: usize| match index % 2 {
        0 => format!("p{index}"),
        _ => format!("deep/p{index}"),
    };
    let parameters: Vec<_> = (0..25)
        .map(|index| (name(index), index.to_string()))
        .collect();
    let make = |seed: Seed| {
        let parameters = parameters.clone();
        async move {
            for (name, value) in parameters {
                seed.parameter(&format!("{root}/{name}"), &value).await?;
            }
            Ok(())
        }
    };
    world.aws.seed(make).unwrap();
    let objects = format!("- {{objectPath: {root}, objectType: ssmparameter}}\n");
    let others = json!({"parameters": "pathTranslation: \"False\""});
    run(&namespace, &pod(&objects, &others));
    let found = sh(
        &namespace,
        "cd /mnt/secrets-store; find -L * -type f | sort | while read f; do echo $f $(cat $f); done",
    );
    let mut expected: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{name} {value}\n"))
        .collect();
    expected.sort();
    assert_eq!(found.unwrap(), expected.concat());
    let operations = namespace.calls().into_iter().map(|call| call.operation);
    let mut operations: Vec<_> = operations.collect();
    operations.sort();
    let by_path = ["GetParametersByPath"; 3];
    let expected = [&["AssumeRoleWithWebIdentity"], &by_path[..]].concat();
    assert_eq!(operations, expected, "ten parameters a call");
}

/// The pod starts without an optional secret, and gets it when it is created.
pub(crate) fn optional(world: &World) {
    let namespace = namespace(world, "annotated-optional");
    seed_secret(world, "annotated/there", &json!("there"));
    let objects = "- {objectName: annotated/there, objectType: secretsmanager}\n- {objectName: annotated/late, objectType: secretsmanager, optional: true}\n";
    run(
        &namespace,
        &pod(objects, &json!({"refresh-interval": "1s"})),
    );
    let list = || sh(&namespace, "ls /mnt/secrets-store");
    assert_eq!(list().unwrap(), "annotated_there\n");
    seed_secret(world, "annotated/late", &json!("late"));
    let what = "the file of the secret that was created is there";
    world
        .kubectl
        .wait_until(what, || Ok(list()? == "annotated_late\nannotated_there\n"))
        .unwrap();
}

/// On a cluster without the CRD, a mistake in the annotation refuses the pod, and without one it gets its files.
pub(crate) fn without_crd(world: &World) {
    let crd = project::root().join("manifests/crd.yaml");
    let file = format!("--filename={}", crd.display());
    world
        .kubectl
        .run(&["delete", "--wait", "--timeout=120s", &file])
        .unwrap();
    let namespace = namespace(world, "without-crd");
    seed_secret(world, "annotated/alone", &json!("alone"));
    let bad = "- objectName: annotated/alone\n  objectType: secret\n";
    let error = namespace.apply(&[&pod(bad, &json!({}))]).unwrap_err();
    let message = "annotation objects: objects[0] \"annotated/alone\": objectType";
    assert!(error.to_string().contains(message), "{error:#}");
    let good = "- objectName: annotated/alone\n  objectType: secretsmanager\n";
    run(&namespace, &pod(good, &json!({})));
    let value = sh(&namespace, "cat /mnt/secrets-store/annotated_alone");
    assert_eq!(value.unwrap(), "\"alone\"");
    world
        .kubectl
        .run(&["apply", "--server-side", &file])
        .unwrap();
    wait_for_crd(&world.kubectl).unwrap();
}
