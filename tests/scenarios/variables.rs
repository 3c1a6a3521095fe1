//! Environment variables with the contents of files, by both methods.

use std::fmt::Write as _;

use aws_stand_in::Seed;
use e2e::images::APP;
use e2e::install::{example_class, service_account};
use serde_json::{Value, json};

use crate::secrets::wait_for_description;
use crate::world::{Namespace, World};

pub(crate) const METHODS: [&str; 2] = ["kubelet", "exec"];

/// A namespace with the class `own` of these secrets. Their names in AWS begin with the namespace, those of the files do not.
pub(crate) fn own<'a>(world: &'a World, name: &str, secrets: &[(&str, &str)]) -> Namespace<'a> {
    own_with(world, name, secrets, &json!([]))
}

/// The same, with Kubernetes Secrets in the class.
pub(crate) fn own_with<'a>(
    world: &'a World,
    name: &str,
    secrets: &[(&str, &str)],
    secret_objects: &Value,
) -> Namespace<'a> {
    let namespace = world.namespace(name);
    fill(&namespace, secrets, secret_objects);
    namespace
}

/// Creates the class `own`, its secrets and the ServiceAccount.
pub(crate) fn fill(namespace: &Namespace<'_>, secrets: &[(&str, &str)], secret_objects: &Value) {
    let mut objects = String::new();
    for (file, value) in secrets {
        let (secret, value) = (format!("{}-{file}", namespace.name), (*value).to_owned());
        writeln!(
            objects,
            "- {{objectName: {secret}, objectAlias: {file}, objectType: secretsmanager}}"
        )
        .unwrap();
        let make = |seed: Seed| async move { seed.secret(&secret, &value).await.map(drop) };
        namespace.world.aws.seed(make).unwrap();
    }
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "own"},
        "spec": {"provider": "aws", "parameters": {"objects": objects}, "secretObjects": secret_objects},
    });
    namespace
        .apply(&[&service_account("default"), &class.to_string()])
        .unwrap();
}

pub(crate) fn set(namespace: &Namespace<'_>, file: &str, value: &str) {
    let (secret, value) = (format!("{}-{file}", namespace.name), value.to_owned());
    let update = |seed: Seed| async move { seed.update_secret(&secret, &value).await.map(drop) };
    namespace.world.aws.seed(update).unwrap();
}

fn container(name: &str, script: &str) -> Value {
    json!({
        "name": name,
        "image": APP,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"runAsUser": 1000},
        "command": ["sh", "-c", script],
    })
}

/// A pod with a variable for each of the class's files. It is named like the method.
pub(crate) fn pod(method: &str, class: &str, env: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": method, "annotations": {
            "aws-secrets-injector.io/secret-provider-class": class,
            "aws-secrets-injector.io/env": env,
            "aws-secrets-injector.io/env-method": method,
        }},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [container("app", script)],
        },
    })
}

/// A pod of the class `own` whose containers restart when the secret `password` changes. It prints its variable and its file
/// when it starts.
pub(crate) fn restarting(method: &str) -> Value {
    let script = "echo $password $(cat /mnt/secrets-store/password); sleep 3600";
    let mut pod = pod(method, "own", "*", script);
    let annotations = &mut pod["metadata"]["annotations"];
    annotations["aws-secrets-injector.io/refresh-interval"] = "1s".into();
    annotations["aws-secrets-injector.io/on-refresh"] = "restart".into();
    pod["spec"]["restartPolicy"] = "Always".into();
    pod
}

/// Waits until a container has printed this.
pub(crate) fn has_printed(namespace: &Namespace<'_>, object: &str, container: &str, text: &str) {
    let printed = || {
        let logs = namespace.kubectl(&["logs", object, "-c", container])?;
        anyhow::ensure!(logs == text, "it has printed {logs:?}");
        Ok(true)
    };
    let what = format!("{container} of {object} prints {text:?}");
    if let Err(error) = namespace.world.kubectl.wait_until(&what, printed) {
        let described = namespace.kubectl(&["describe", "pods"]).unwrap_or_default();
        panic!("{error:#}\n{described}");
    }
}

/// The kubelet runs probes and hooks beside the container's own process, which has the variables.
pub(crate) fn probes(world: &World) {
    for method in METHODS {
        let namespace = own(world, &format!("probes-{method}"), &[("password", "value")]);
        let script = "until [ -e /dev/shm/started ]; do sleep 0.1; done; echo $(cat /dev/shm/started); sleep 3600";
        let mut pod = pod(method, "own", "password=password", script);
        let has_it = json!(["sh", "-c", "test \"$password\" = value"]);
        let app = &mut pod["spec"]["containers"][0];
        app["readinessProbe"] = json!({"exec": {"command": has_it}, "periodSeconds": 1});
        let hook = json!(["sh", "-c", "echo \"$password\" >/dev/shm/started"]);
        app["lifecycle"] = json!({"postStart": {"exec": {"command": hook}}});
        namespace.apply(&[&pod.to_string()]).unwrap();
        let ready = [
            "wait",
            "--for=condition=Ready",
            "--timeout=60s",
            "pod",
            method,
        ];
        namespace.kubectl(&ready).unwrap();
        has_printed(&namespace, method, "app", "value\n");
    }
}

pub(crate) fn values(world: &World) {
    let long = "0123456789abcde ".repeat(60 * 1024 / 16);
    let mut secrets = vec![
        ("lines", "one\ntwo\n\n# three\n"),
        ("quotes", r#"" `date` $HOME $(lines) $$ \n \ ${x}"#),
        ("spaces", " \t both ends \t "),
        ("utf8", "größe 日本 🔑"),
        ("assignment", "A=b"),
        ("long", &long),
    ];
    for method in METHODS {
        if method == "exec" {
            secrets.extend([("quote", "it's"), ("windows", "a\r\nb\r")]);
        }
        let namespace = own(world, &format!("values-{method}"), &secrets);
        // Each file has the secret's bytes, which others verify. cmp names a difference by its place and not by the value.
        let compare = secrets.iter().map(|(name, _)| {
            format!("printf %s \"${name}\" | cmp - /mnt/secrets-store/{name} 2>&1 || echo {name} differs\n")
        });
        let script = format!("{}echo compared", compare.collect::<String>());
        namespace
            .apply(&[&pod(method, "own", "*", &script).to_string()])
            .unwrap();
        has_printed(&namespace, method, "app", "compared\n");
        // Only the names are in what the API server stores.
        let stored = namespace.get(&["pod", method]).to_string();
        assert!(
            stored.contains("utf8") && !stored.contains("größe"),
            "{stored}"
        );
    }
}

/// `*` takes the aliases of a JSON secret's fields.
pub(crate) fn beside_own(world: &World) {
    let namespace = world.namespace("variables-beside-own");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map\ndata: {dbpassword: map, OTHER: map}\n";
    namespace
        .apply(&[&service_account("default"), &example_class("v1"), map])
        .unwrap();
    let script = "echo $dbusername, $dbpassword, $THIRD, $OTHER, $URL";
    // In values of env, Kubernetes replaces only variables that it knows: with exec, the one of the ConfigMap.
    for (method, url) in [("kubelet", "x://correct horse"), ("exec", "x://map")] {
        let mut pod = pod(method, "aws-secrets", "THIRD=MySecret3,*", script);
        let app = &mut pod["spec"]["containers"][0];
        app["envFrom"] = json!([{"configMapRef": {"name": "map"}}]);
        app["env"] = json!([
            {"name": "dbusername", "value": "own"},
            {"name": "URL", "value": "x://$(dbpassword)"},
        ]);
        namespace.apply(&[&pod.to_string()]).unwrap();
        let expected = format!("own, correct horse, third, map, {url}\n");
        has_printed(&namespace, method, "app", &expected);
    }
}

pub(crate) fn restarted(world: &World) {
    let namespace = own(world, "variables-restarted", &[("password", "first")]);
    // It ends when the file is newer than its variable.
    let script = "echo $password; while [ \"$(cat /mnt/secrets-store/password)\" = \"$password\" ]; do sleep 0.2; done";
    for method in METHODS {
        let mut pod = pod(method, "own", "*", script);
        pod["metadata"]["annotations"]["aws-secrets-injector.io/refresh-interval"] = "1s".into();
        pod["spec"]["restartPolicy"] = "Always".into();
        namespace.apply(&[&pod.to_string()]).unwrap();
        has_printed(&namespace, method, "app", "first\n");
    }
    set(&namespace, "password", "second");
    for method in METHODS {
        has_printed(&namespace, method, "app", "second\n");
    }
}

pub(crate) fn unwritable(world: &World) {
    let namespace = own(
        world,
        "variables-unwritable",
        &[("password", "it's a secret")],
    );
    let mut pod = pod(
        "kubelet",
        "own",
        "DB_PASSWORD=password",
        "echo $DB_PASSWORD; sleep 86400",
    );
    pod["spec"]["restartPolicy"] = "Always".into();
    namespace.apply(&[&pod.to_string()]).unwrap();
    let words = ["DB_PASSWORD", "has a single quote", "env-method: exec"];
    wait_for_description(&namespace, "kubelet", &words);
    let described = namespace.kubectl(&["describe", "pod", "kubelet"]).unwrap();
    assert!(!described.contains("a secret"), "{described}");
    let started = namespace.get(&["pod", "kubelet"]);
    set(&namespace, "password", "its a secret");
    has_printed(&namespace, "kubelet", "app", "its a secret\n");
    let now = namespace.get(&["pod", "kubelet"]);
    assert_eq!(
        started["metadata"]["uid"], now["metadata"]["uid"],
        "the same pod starts"
    );
}

/// A Guaranteed pod of a Job, with an init container and a native sidecar, in a restricted namespace.
pub(crate) fn kinds(world: &World) {
    let namespace = own(world, "variables-kinds", &[("password", "value")]);
    let label = "pod-security.kubernetes.io/enforce=restricted";
    world
        .kubectl
        .run(&["label", "namespace", &namespace.name, label])
        .unwrap();
    let script = "echo $password";
    for method in METHODS {
        let mut pod = pod(method, "own", "*", script);
        let mut sidecar = container(
            "sidecar",
            "echo $password; trap exit TERM; while :; do sleep 0.1; done",
        );
        sidecar["restartPolicy"] = "Always".into();
        pod["spec"]["initContainers"] = json!([container("init", script), sidecar]);
        for list in ["initContainers", "containers"] {
            for container in pod["spec"][list].as_array_mut().unwrap() {
                container["resources"] = json!({"limits": {"cpu": "50m", "memory": "32Mi"}});
                container["securityContext"] = json!({
                    "runAsUser": 1000, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
                });
            }
        }
        let template = json!({
            "metadata": {"annotations": pod["metadata"]["annotations"]},
            "spec": pod["spec"],
        });
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": method}, "spec": {"template": template},
        });
        namespace.apply(&[&job.to_string()]).unwrap();
        let job = format!("job/{method}");
        for container in ["init", "sidecar", "app"] {
            has_printed(&namespace, &job, container, "value\n");
        }
        namespace
            .kubectl(&["wait", "--for=condition=Complete", "--timeout=120s", &job])
            .unwrap();
        let pods = namespace.get(&["pods", "-l", &format!("job-name={method}")]);
        assert_eq!(pods["items"][0]["status"]["qosClass"], "Guaranteed");
    }
}

/// Why a pod is refused; nothing if a dry run takes it.
pub(crate) fn refusal(namespace: &Namespace<'_>, pod: &str) -> String {
    match dry_run(namespace, pod) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// What the API server would store.
pub(crate) fn dry_run(namespace: &Namespace<'_>, pod: &str) -> anyhow::Result<Value> {
    let mut pod: Value = serde_json::from_str(pod)?;
    pod["metadata"]["namespace"] = namespace.name.as_str().into();
    let file = e2e::project::target().join(format!("{}.json", namespace.name));
    std::fs::write(&file, pod.to_string())?;
    let file = file.display().to_string();
    let made = namespace.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", &file])?;
    Ok(serde_json::from_str(&made)?)
}
