//! Environment variables with the contents of files, by both methods.

use std::fmt::Write as _;

use aws_stand_in::Seed;
use e2e::images::APP;
use e2e::install::{self, DEPLOYMENT, NAMESPACE, example_class, service_account};
use serde_json::{Value, json};

use crate::outage::CONFIGURATION;
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
    let mut objects = String::new();
    for (file, value) in secrets {
        let (secret, value) = (format!("{name}-{file}"), (*value).to_owned());
        writeln!(
            objects,
            "- {{objectName: {secret}, objectAlias: {file}, objectType: secretsmanager}}"
        )
        .unwrap();
        let make = |seed: Seed| async move { seed.secret(&secret, &value).await.map(drop) };
        world.aws.seed(make).unwrap();
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
    namespace
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
fn pod(method: &str, class: &str, env: &str, script: &str) -> Value {
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

/// A node without a machine, whose status has an old version.
const OLD_NODE: &str = r#"{
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "old-node"}, "spec": {"unschedulable": true},
    "status": {"nodeInfo": {
        "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
        "kubeletVersion": "v1.34.2", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": ""
    }}
}"#;

pub(crate) fn old_node(world: &World) {
    let namespace = own(world, "variables-old-node", &[("password", "value")]);
    let kubectl = &world.kubectl;
    let _ = kubectl.run(&["delete", "node", "old-node", "--ignore-not-found"]);
    kubectl.create(OLD_NODE).unwrap();
    // The webhook keeps the versions of nodes for some minutes.
    kubectl
        .run(&["-n", NAMESPACE, "rollout", "restart", DEPLOYMENT])
        .unwrap();
    install::wait(kubectl).unwrap();
    let [kubelet, exec] =
        METHODS.map(|method| pod(method, "own", "*", "echo $password").to_string());
    let refused = || Ok(refusal(&namespace, &kubelet).contains("the kubelet of node \"old-node\""));
    kubectl
        .wait_until("the old node is noticed", refused)
        .unwrap();
    let message = refusal(&namespace, &kubelet);
    assert!(
        message.contains("\"v1.34.2\"") && message.contains("env-method: exec"),
        "{message}"
    );
    let message = refusal(&namespace, &restarting("exec").to_string());
    assert!(
        message.contains("on-refresh restart needs v1.36 or later on every node")
            && message.contains("signal:SIGTERM:CONTAINER"),
        "{message}"
    );
    namespace.apply(&[&exec]).unwrap();
    has_printed(&namespace, "exec", "app", "value\n");
    kubectl.run(&["delete", "node", "old-node"]).unwrap();
    kubectl
        .wait_until("the node is gone for the webhook", || {
            Ok(namespace.apply(&[&kubelet]).is_ok())
        })
        .unwrap();
    has_printed(&namespace, "kubelet", "app", "value\n");
}

/// Why a pod is refused; nothing if a dry run takes it.
fn refusal(namespace: &Namespace<'_>, pod: &str) -> String {
    match dry_run(namespace, pod) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// What the API server would store.
fn dry_run(namespace: &Namespace<'_>, pod: &str) -> anyhow::Result<Value> {
    let mut pod: Value = serde_json::from_str(pod)?;
    pod["metadata"]["namespace"] = namespace.name.as_str().into();
    let file = e2e::project::target().join(format!("{}.json", namespace.name));
    std::fs::write(&file, pod.to_string())?;
    let file = file.display().to_string();
    let made = namespace.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", &file])?;
    Ok(serde_json::from_str(&made)?)
}

pub(crate) fn configuration_deleted(world: &World) {
    let namespace = own(world, "variables-configuration", &[("password", "value")]);
    let made = METHODS.map(|method| {
        let pod = pod(method, "own", "DB_PASSWORD=password", "true").to_string();
        dry_run(&namespace, &pod).unwrap()
    });
    let restarting = dry_run(&namespace, &restarting("exec").to_string()).unwrap();
    world.kubectl.run(&["delete", CONFIGURATION]).unwrap();
    let [kubelet, exec] = made;
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
        dry_run(&namespace, &pod.to_string()).unwrap();
        let pod = destroyed(pod, field, value);
        world
            .kubectl
            .wait_until("the policy refuses", || {
                Ok(refusal(&namespace, &pod).contains(words))
            })
            .unwrap();
    }
    install::install(&world.kubectl, &world.aws.stand_in.url()).unwrap();
}
