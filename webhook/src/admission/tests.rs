//! What holds for every pod: a second pass changes nothing, what the webhook added can be taken off again, and fields that the
//! types do not know stay where they are.

use std::collections::BTreeSet;

use clap::Parser as _;
use json_patch::Patch;
use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use provider_class::{Class, SecretProviderClassSpec};
use serde_json::{Map, Value, json};

use super::inject;
use crate::Args;
use crate::pod::Role;
use crate::pod::annotations::{PREFIX, PodRequest};
use crate::pod::class::MountedClass;
use crate::pod::injection::Inputs;
use crate::pod::strip::Stripped;

/// No type of Kubernetes has this field.
const UNKNOWN: &str = "fieldOfTheFuture";

fn typed(pod: &Value) -> Pod {
    serde_json::from_value(pod.clone()).unwrap()
}

/// The classes `db`, with a Secret, and `mail`.
fn class(name: &str, mount_path: &str) -> MountedClass {
    let objects =
        format!("- {{objectName: shop/{name}, objectType: secretsmanager, objectAlias: {name}}}");
    let mut spec = SecretProviderClassSpec::aws([("objects", objects)]);
    if name == "db" {
        spec.secret_objects = vec![
            json!({"secretName": "credentials", "type": "Opaque", "data": [
                {"objectName": "db", "key": "user"}, {"objectName": "db", "key": "password"},
            ]}),
        ];
    }
    MountedClass {
        volume: None,
        mount_path: mount_path.to_owned(),
        class: Class::parse(name, &spec).unwrap().into(),
        parameters: spec.parameters.into(),
        version: 7,
    }
}

/// The pod after the patch, and the number of operations.
fn admit(before: &Value) -> Result<(Value, usize), String> {
    let pod = typed(before);
    let request = PodRequest::read(pod.metadata.annotations.as_ref().unwrap());
    let request = request.unwrap().unwrap();
    let classes = request.classes.iter();
    let classes: Vec<_> = classes
        .map(|mount| class(mount.class.name(), &mount.mount_path))
        .collect();
    let role = Role {
        arn: "arn:aws:iam::111122223333:role/web".parse().unwrap(),
        audience: "sts.amazonaws.com".to_owned(),
        expiration: 3600,
    };
    let stripped = Stripped::new(&pod).map_err(|conflict| conflict.to_string())?;
    let admitted = inject(Inputs {
        request: &request,
        classes: &classes,
        role: Some(&role),
        default_region: Some(&"us-east-2".parse().unwrap()),
        settings: &Args::parse_from(["webhook", "--injector-image", "injector:1"]).settings(),
        pod: &stripped,
    });
    let patch = admitted.map_err(|refusal| refusal.message())?.patch;
    let mut after = before.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    Ok((after, patch.len()))
}

/// As its author wrote it, without fields that the types do not know.
fn stripped(pod: &Value) -> Value {
    let pod = typed(pod);
    json!(Stripped::new(&pod).unwrap().own)
}

/// A pod has no empty lists, and the order of these has no meaning.
fn plain(pod: &Value) -> Value {
    match pod {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let mut value = plain(value);
                if let ("volumes" | "volumeMounts", Value::Array(list)) =
                    (name.as_str(), &mut value)
                {
                    list.sort_by_key(Value::to_string);
                }
                (name.clone(), value)
            });
            let fields: Map<_, _> = fields.filter(|(_, value)| *value != json!([])).collect();
            fields.into()
        }
        Value::Array(list) => list.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// Each object with a field that the types do not know, by its name.
fn unknown(pod: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    match pod {
        Value::Object(fields) => {
            let name = fields.get("name").unwrap_or(&Value::Null).to_string();
            found.extend(fields.get(UNKNOWN).map(|value| (name, value.to_string())));
            found.extend(fields.values().flat_map(unknown));
        }
        Value::Array(list) => found.extend(list.iter().flat_map(unknown)),
        _ => {}
    }
    found
}

/// The annotations of a pod.
fn annotations() -> impl Strategy<Value = Value> {
    let one = |name: &'static str, values: &'static [&'static str]| {
        let value = prop_oneof![Just(None), select(values).prop_map(Some)];
        value.prop_map(move |value| value.map(|value| (format!("{PREFIX}{name}"), json!(value))))
    };
    let several = [
        one("env", &["A=db", "A=db,B=mail", "*", "*,A=mail"]),
        one("env-method", &["kubelet", "exec"]),
        one("secret-objects", &["env", "sync", "ignore"]),
        one("refresh-interval", &["5m"]),
        one("refresh-metrics-port", &["9090"]),
        one("containers", &["web", "web,init-0"]),
        one("mount-path", &["/secrets"]),
    ];
    let classes = select(&["db,mail=/etc/mail", "mail=/etc/mail,db"][..]);
    (several, classes).prop_map(|(several, classes)| {
        let mut annotations: Map<_, _> = several.into_iter().flatten().collect();
        annotations.insert(format!("{PREFIX}secret-provider-class"), json!(classes));
        annotations.into()
    })
}

/// Variables of which some refer to the Secret of a class, and may have any names.
fn env() -> impl Strategy<Value = Vec<Value>> {
    let name = || select(&["X", "Y", "Z", "URL", "my $(HOME)", "db"][..]);
    let reference = (name(), select(&["credentials", "other"][..]), any::<bool>()).prop_map(
        |(name, secret, optional)| {
            let mut reference = json!({"name": secret, "key": "user"});
            if optional {
                reference["optional"] = true.into();
            }
            json!({"name": name, "valueFrom": {"secretKeyRef": reference}})
        },
    );
    let plain = (name(), select(&["x", "$(URL)"][..]), 0..99)
        .prop_map(|(name, value, number)| json!({"name": name, "value": value, UNKNOWN: number}));
    let field = name().prop_map(
        |name| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
    );
    proptest::collection::vec(prop_oneof![plain, reference, field], 0..5)
}

fn container() -> impl Strategy<Value = Value> {
    let sources = [
        json!({"prefix": "P_", "secretRef": {"name": "credentials"}}),
        json!({"configMapRef": {"name": "settings"}}),
        json!({"secretRef": {"name": "credentials", "optional": true}}),
        json!({"secretRef": {"name": "other"}}),
    ];
    let mounts = [
        json!({"name": "cache", "mountPath": "/cache", UNKNOWN: 1}),
        json!({"name": "cache", "mountPath": "/mnt"}),
        json!({"name": "aws-secrets-injector", "mountPath": "/one", "subPath": "files", "readOnly": true}),
    ];
    let fields = (
        subsequence(&["app", "--", "--set=X=y"][..], 0..=3),
        env(),
        subsequence(sources.to_vec(), 0..=2),
        subsequence(mounts.to_vec(), 0..=3),
        0..99_usize,
    );
    fields.prop_map(|(command, env, sources, mounts, number)| {
        let mut container = json!({"image": "web", "args": ["$(X)"], UNKNOWN: number});
        let lists = [
            ("command", json!(command)),
            ("env", env.into()),
            ("envFrom", sources.into()),
            ("volumeMounts", mounts.into()),
        ];
        for (name, list) in lists {
            if list != json!([]) {
                container[name] = list;
            }
        }
        if number % 2 == 0 {
            let command = [json!([]), json!(["check", "$(X)"])][number % 4 / 2].clone();
            let probe = ["livenessProbe", "readinessProbe", "startupProbe"][number % 3];
            container[probe] = json!({"exec": {"command": command}, UNKNOWN: 1});
        }
        if number % 3 == 0 {
            let hook = ["postStart", "preStop"][number % 2];
            container["lifecycle"] = json!({hook: {"exec": {"command": ["leave"]}}});
        }
        container
    })
}

/// Pods of every kind.
fn pod() -> impl Strategy<Value = Value> {
    let init = proptest::collection::vec((container(), any::<bool>()), 0..3);
    let containers = proptest::collection::vec(container(), 1..4);
    let volumes = subsequence(&["cache", "other"][..], 0..=2);
    (annotations(), init, containers, volumes, any::<bool>()).prop_map(
        |(annotations, init, mut containers, volumes, is_local)| {
            let mut pod = json!({"metadata": {"annotations": annotations}, "spec": {}});
            for (index, container) in containers.iter_mut().enumerate() {
                let name = if index == 0 {
                    "web".into()
                } else {
                    format!("web-{index}")
                };
                container["name"] = name.into();
            }
            pod["spec"]["containers"] = containers.into();
            if !init.is_empty() {
                let init = init.into_iter().enumerate();
                let init = init.map(|(index, (mut container, is_sidecar))| {
                    container["name"] = format!("init-{index}").into();
                    if is_sidecar {
                        container["restartPolicy"] = "Always".into();
                    }
                    container
                });
                pod["spec"]["initContainers"] = init.collect();
            }
            if !volumes.is_empty() {
                let volumes = volumes.into_iter();
                let volumes = volumes.map(|name| json!({"name": name, "emptyDir": {}, UNKNOWN: 7}));
                pod["spec"]["volumes"] = volumes.collect();
            }
            if is_local {
                let name = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
                pod["metadata"]["annotations"][name] = "cache,other".into();
            }
            pod
        },
    )
}

/// Without references to the Secret: what an earlier pass made of them says not everything about them.
fn without_references(mut pod: Value) -> Value {
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            for field in ["env", "envFrom"] {
                if let Some(list) = container[field].as_array_mut() {
                    list.retain(|element| !element.to_string().contains("credentials"));
                }
                let fields = container.as_object_mut().unwrap();
                if fields[field].as_array().is_none_or(Vec::is_empty) {
                    fields.remove(field);
                }
            }
        }
    }
    pod
}

/// Without one container, volume or mount that the webhook added.
fn without_one_of_ours(mut pod: Value, which: usize) -> Value {
    let mut paths = Vec::new();
    for (list, field) in [
        ("initContainers", ""),
        ("volumes", ""),
        ("containers", "volumeMounts"),
    ] {
        for (index, element) in pod["spec"][list]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let path = format!("/spec/{list}/{index}");
            let is_ours = |element: &Value| {
                let name = element["name"].as_str().unwrap_or_default();
                name.starts_with("aws-secrets-") && element["mountPath"] != "/one"
            };
            if field.is_empty() {
                paths.extend(is_ours(element).then_some(path));
                continue;
            }
            let inner = element[field].as_array().into_iter().flatten().enumerate();
            let inner = inner.filter(|(_, element)| is_ours(element));
            paths.extend(inner.map(|(index, _)| format!("{path}/{field}/{index}")));
        }
    }
    let path = &paths[which % paths.len()];
    let removal = json!([{"op": "remove", "path": path}]);
    json_patch::patch(&mut pod, &serde_json::from_value::<Patch>(removal).unwrap()).unwrap();
    pod
}

/// Fewer cases than usual, because each is long; `PROPTEST_CASES` sets more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    config.max_global_rejects = 2 * config.cases;
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_second_pass_changes_nothing(pod in pod()) {
        let first = admit(&pod);
        prop_assume!(first.is_ok());
        let (first, _) = first.unwrap();
        let (second, operations) = admit(&first).unwrap();
        prop_assert_eq!(operations, 0, "{}", second);
    }

    #[test]
    fn what_a_pass_added_can_be_taken_off(pod in pod()) {
        let first = admit(&pod);
        prop_assume!(first.is_ok());
        let (first, _) = first.unwrap();
        let own = stripped(&first);
        prop_assert_eq!(stripped(&own), own.clone());
        let (again, _) = admit(&own).unwrap();
        prop_assert_eq!(plain(&json!(typed(&again))), plain(&json!(typed(&first))));
        let pod = without_references(pod);
        let own = stripped(&admit(&pod).unwrap().0);
        prop_assert_eq!(own, json!(typed(&pod)));
    }

    #[test]
    fn fields_that_the_types_do_not_know_stay(pod in pod(), which in 0..99_usize) {
        let first = admit(&pod);
        prop_assume!(first.is_ok());
        let (first, _) = first.unwrap();
        prop_assert_eq!(unknown(&first), unknown(&pod));
        let (again, _) = admit(&without_one_of_ours(first, which)).unwrap();
        prop_assert_eq!(unknown(&again), unknown(&pod));
    }

    #[test]
    fn other_annotations_make_what_they_make_of_a_new_pod(pod in pod(), other in annotations()) {
        let mut pod = without_references(pod);
        let exported = admit(&pod);
        prop_assume!(exported.is_ok());
        let (mut exported, _) = exported.unwrap();
        pod["metadata"]["annotations"] = other;
        let fresh = admit(&pod);
        let kept = ["status", "safe-to-evict-local-volumes"];
        let mut annotations = pod["metadata"]["annotations"].clone();
        for (name, value) in exported["metadata"]["annotations"].as_object().unwrap() {
            if kept.iter().any(|kept| name.ends_with(kept)) {
                annotations[name] = value.clone();
            }
        }
        exported["metadata"]["annotations"] = annotations;
        let spec = |admitted: Result<(Value, usize), String>| {
            admitted.map(|(pod, _)| plain(&pod["spec"]))
        };
        prop_assert_eq!(spec(admit(&exported)), spec(fresh));
    }

    #[test]
    fn what_others_take_away_comes_back(pod in pod(), which in 0..99_usize) {
        let first = admit(&pod);
        prop_assume!(first.is_ok());
        let (first, _) = first.unwrap();
        let (again, _) = admit(&without_one_of_ours(first.clone(), which)).unwrap();
        prop_assert_eq!(plain(&again), plain(&first));
    }
}

#[test]
fn a_patch_changes_single_elements_of_a_pod_with_a_hundred_containers() {
    let containers = (0..100).map(|number| {
        let env: Vec<_> = (0..20).map(|n| json!({"name": format!("V{n}"), "value": "x"})).collect();
        let mounts = [json!({"name": "cache", "mountPath": "/cache"})];
        json!({"name": format!("c{number}"), "command": ["app"], "env": env, "volumeMounts": mounts})
    });
    let before = json!({
        "metadata": {"annotations": {
            format!("{PREFIX}secret-provider-class"): "db",
            format!("{PREFIX}env"): "DB=db",
        }},
        "spec": {"containers": containers.collect::<Vec<_>>(), "volumes": [{"name": "cache"}]},
    });
    let (mut after, operations) = admit(&before).unwrap();
    // A mount and a variable for each, three volumes, the init container, the status, and the hash.
    assert_eq!(operations, 2 * 100 + 6);
    let mounts = after["spec"]["containers"][57]["volumeMounts"].as_array_mut();
    mounts.unwrap().pop();
    assert_eq!(admit(&after).unwrap().1, 1);
}
