//! If the API server accepts a pod, it also accepts it with the annotation. Generated pods are sent as dry runs.

use e2e::admissions::{blocking, dry_run};
use e2e::install::{example_class, service_account};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::world::{World, is_long};

fn user() -> impl Strategy<Value = Option<i64>> {
    of(select(vec![1, 1000, 65532, 4_000_000]))
}

fn with(mut object: Value, field: &str, value: Option<impl Into<Value>>) -> Value {
    if let Some(value) = value {
        object[field] = value.into();
    }
    object
}

fn security() -> impl Strategy<Value = Value> {
    (user(), user(), of(any::<bool>()), of(any::<bool>())).prop_map(
        |(user, group, read_only, escalation)| {
            let security = with(
                json!({"capabilities": {"drop": ["ALL"]}}),
                "runAsUser",
                user,
            );
            let security = with(security, "runAsGroup", group.filter(|_| user.is_some()));
            let security = with(security, "readOnlyRootFilesystem", read_only);
            with(security, "allowPrivilegeEscalation", escalation)
        },
    )
}

fn resources() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"requests": {"cpu": "1m"}}),
        json!({"limits": {"cpu": "20m"}}),
        json!({"limits": {"cpu": "0.5", "memory": "1e8"}}),
        json!({"requests": {"cpu": "500m", "memory": "8Mi"}, "limits": {"cpu": "0.5", "memory": "8Mi"}}),
        json!({"requests": {"ephemeral-storage": "1Gi"}}),
    ])
}

/// Volumes `v0` to `v2`, some of which a container mounts.
fn mounts() -> impl Strategy<Value = Value> {
    let path = select(vec![
        "/data",
        "/mnt",
        "/mnt/secrets-stores",
        "/etc/app",
        "/var/cache/x",
    ]);
    vec((0..3usize, path, any::<bool>()), 0..3).prop_map(|mounts| {
        let mut paths = Vec::new();
        let mut list = Vec::new();
        for (volume, path, read_only) in mounts {
            if !paths.contains(&path) {
                paths.push(path);
                list.push(
                    json!({"name": format!("v{volume}"), "mountPath": path, "readOnly": read_only}),
                );
            }
        }
        list.into()
    })
}

fn container() -> impl Strategy<Value = Value> {
    (security(), resources(), mounts(), any::<bool>()).prop_map(|(security, resources, mounts, has_env)| {
        let container = json!({"image": "app", "securityContext": security, "resources": resources, "volumeMounts": mounts});
        with(container, "env", has_env.then(|| json!([{"name": "A", "value": "$(HOME)"}])))
    })
}

fn annotations() -> impl Strategy<Value = Value> {
    let classes = select(vec![
        "aws-secrets",
        "aws-secrets=/etc/secrets",
        "aws-secrets,other=/other",
    ]);
    let rest = (
        of(select(vec!["/secrets", "/mnt/a/b", "/run/x"])),
        of(select(vec!["c0"])),
        of(select(vec!["7", "0"])),
        of(select(vec!["1", "200m"])),
        of(select(vec!["10Mi", "1Gi"])),
    );
    (classes, rest).prop_map(|(classes, (path, containers, user, cpu, memory))| {
        let name = |name: &str| format!("aws-secrets-injector.io/{name}");
        let annotations = json!({(name("secret-provider-class")): classes});
        let annotations = with(annotations, &name("mount-path"), path);
        let annotations = with(annotations, &name("containers"), containers);
        let annotations = with(annotations, &name("run-as-user"), user);
        let annotations = with(annotations, &name("cpu-limit"), cpu);
        with(annotations, &name("memory-request"), memory)
    })
}

/// A pod without the annotations.
fn pod() -> impl Strategy<Value = Value> {
    let init = (container(), any::<bool>());
    let spec = (
        vec(container(), 1..4),
        vec(init, 0..3),
        (user(), user(), user()),
        weighted(0.2, Just(true)),
        weighted(0.2, Just(false)),
        prop_oneof![Just(None), Just(Some("Never")), Just(Some("OnFailure"))],
        of(any::<bool>()),
    );
    spec.prop_map(|(containers, init, (user, group, fs_group), host_network, automount, restart, is_linux)| {
        let named = |(index, mut container): (usize, Value), prefix: &str| {
            container["name"] = format!("{prefix}{index}").into();
            container
        };
        let containers: Vec<_> = containers.into_iter().enumerate().map(|item| named(item, "c")).collect();
        let init = init.into_iter().enumerate().map(|(index, (container, is_sidecar))| {
            with(named((index, container), "i"), "restartPolicy", is_sidecar.then_some("Always"))
        });
        let init: Vec<_> = init.collect();
        let security = with(json!({}), "runAsUser", user);
        let security = with(security, "runAsGroup", group.filter(|_| user.is_some()));
        let security = with(security, "fsGroup", fs_group);
        let spec = json!({
            "containers": containers,
            "securityContext": security,
            "volumes": [
                {"name": "v0", "emptyDir": {}},
                {"name": "v1", "configMap": {"name": "some", "optional": true}},
                {"name": "v2", "projected": {"sources": [{"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}},
            ],
        });
        let spec = with(spec, "initContainers", (!init.is_empty()).then_some(init));
        let spec = with(spec, "hostNetwork", host_network);
        let spec = with(spec, "automountServiceAccountToken", automount);
        let spec = with(spec, "restartPolicy", restart);
        let spec = with(spec, "os", is_linux.and_then(|is| is.then(|| json!({"name": "linux"}))));
        json!({"metadata": {"generateName": "any-"}, "spec": spec})
    })
}

pub(crate) fn is_valid(world: &World) {
    let namespace = world.namespace("any-pod");
    let other = example_class("v1").replace("name: aws-secrets\n", "name: other\n");
    namespace
        .apply(&[&service_account("default"), &example_class("v1"), &other])
        .unwrap();
    let (runtime, client) = blocking(&world.kubectl).unwrap();
    let api: Api<Pod> = Api::namespaced(client, &namespace.name);
    let send = |pod: &Value| {
        let pod = serde_json::from_value(pod.clone()).unwrap();
        let made = runtime.block_on(dry_run(&api, &pod));
        made.map_err(|error| TestCaseError::fail(format!("{error}\n{pod:#?}")))
    };
    let config = Config {
        cases: if is_long() { 600 } else { 40 },
        failure_persistence: None,
        ..Config::default()
    };
    let checked = TestRunner::new(config).run(&(pod(), annotations()), |(bare, annotations)| {
        send(&bare)?;
        let mut annotated = bare;
        annotated["metadata"]["annotations"] = annotations;
        let made = send(&annotated)?;
        let spec = made.spec.unwrap_or_default();
        let first = spec.init_containers.unwrap_or_default().into_iter().next();
        let name = first.map(|container| container.name);
        if name.as_deref() == Some("aws-secrets-injector") {
            Ok(())
        } else {
            Err(TestCaseError::fail(
                "it came out without the injected container",
            ))
        }
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
}
