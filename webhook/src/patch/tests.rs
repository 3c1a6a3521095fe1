use provider_class::{Class, SecretProviderClassSpec};

use super::*;
use crate::annotations::{Resources, Wanted};
use crate::injection::{Inputs, Settings};
use crate::service_account::Role;

fn pod(pod: Value) -> Pod {
    serde_json::from_value(pod).unwrap()
}

fn settings() -> Settings {
    Settings {
        image: "injector:1".to_owned(),
        image_pull_policy: None,
        resources: Resources::default(),
        size_limit: k8s_openapi::apimachinery::pkg::api::resource::Quantity("16Mi".to_owned()),
        environment: vec![("AWS_ENDPOINT_URL".to_owned(), "http://aws".to_owned())],
    }
}

/// The operations for a pod that wants one class, with `parameters` besides its objects.
fn plan(pod: &Pod, parameters: &[(&str, &str)]) -> Injection {
    let wanted = Wanted::read(pod.metadata.annotations.as_ref().unwrap())
        .unwrap()
        .unwrap();
    let region = "us-east-2".parse().unwrap();
    let classes: Vec<_> = wanted
        .classes
        .iter()
        .map(|mount| {
            let objects = format!(
                "- {{objectName: {}-$(HOME), objectType: secretsmanager}}",
                mount.class
            );
            let mut map: std::collections::BTreeMap<String, String> =
                [("objects".to_owned(), objects)].into();
            map.extend(
                parameters
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
            );
            let spec = SecretProviderClassSpec {
                parameters: map.clone(),
                ..Default::default()
            };
            (
                Class::parse(&mount.class, &spec, Some(&region))
                    .unwrap()
                    .class,
                map,
            )
        })
        .collect();
    let role = Role {
        arn: "arn:aws:iam::111122223333:role/web".parse().unwrap(),
        audience: "sts.amazonaws.com".to_owned(),
        expiration: 3600,
    };
    Injection::plan(Inputs {
        wanted: &wanted,
        classes: &classes,
        role: Some(&role),
        default_region: Some(&region),
        settings: &settings(),
        pod,
    })
}

fn patched(before: &Value) -> Value {
    let pod = pod(before.clone());
    let mut after = before.clone();
    json_patch::patch(&mut after, &operations(&pod, &plan(&pod, &[])).unwrap()).unwrap();
    after
}

fn refused(before: Value) -> String {
    let pod = pod(before);
    operations(&pod, &plan(&pod, &[])).unwrap_err().to_string()
}

/// The smallest pod that wants a class.
fn small() -> Value {
    json!({
        "metadata": {"annotations": {"aws-secrets-injector.io/secret-provider-class": "db"}},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    })
}

#[test]
fn a_pod_with_nothing_gets_everything() {
    let after = patched(&small());
    let expected = json!({
        "metadata": {"annotations": {
            "aws-secrets-injector.io/secret-provider-class": "db",
            "aws-secrets-injector.io/status": "injected",
        }},
        "spec": {
            "containers": [{
                "name": "web",
                "image": "web",
                "volumeMounts": [{"name": "aws-secrets-injector", "mountPath": "/mnt/secrets-store", "readOnly": true}],
            }],
            "initContainers": [{
                "name": "aws-secrets-injector",
                "image": "injector:1",
                "args": ["fetch"],
                "env": [
                    {"name": "SECRET_PROVIDER_CLASSES", "value": "[{\"name\":\"db\",\"mountPath\":\"/mnt/secrets-store\",\"parameters\":{\"objects\":\"- {objectName: db-$$(HOME), objectType: secretsmanager}\"}}]"},
                    {"name": "AWS_REGION", "value": "us-east-2"},
                    {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"},
                    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/aws-secrets-injector/token"},
                    {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "AWS_ENDPOINT_URL", "value": "http://aws"},
                ],
                "resources": {},
                "securityContext": {
                    "runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": true, "readOnlyRootFilesystem": true,
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                    {"name": "aws-secrets-injector", "mountPath": "/mnt/secrets-store"},
                    {"name": "aws-secrets-injector-token", "mountPath": "/var/run/secrets/aws-secrets-injector", "readOnly": true},
                ],
            }],
            "volumes": [
                {"name": "aws-secrets-injector", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
                {"name": "aws-secrets-injector-token", "projected": {"sources": [
                    {"serviceAccountToken": {"audience": "sts.amazonaws.com", "expirationSeconds": 3600, "path": "token"}},
                ]}},
            ],
        },
    });
    assert_eq!(after, expected);
}

#[test]
fn what_the_pod_has_stays_and_unknown_fields_too() {
    let mut before = small();
    before["spec"]["initContainers"] = json!([{"name": "first", "fieldOfTheFuture": 1}]);
    before["spec"]["volumes"] = json!([{"name": "own", "emptyDir": {}, "fieldOfTheFuture": 2}]);
    before["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "own", "mountPath": "/own"}]);
    let after = patched(&before);
    let names = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&after["spec"]["initContainers"]),
        ["aws-secrets-injector", "first"]
    );
    assert_eq!(after["spec"]["initContainers"][1]["fieldOfTheFuture"], 1);
    assert_eq!(
        names(&after["spec"]["initContainers"][1]["volumeMounts"]),
        ["aws-secrets-injector"]
    );
    assert_eq!(
        names(&after["spec"]["volumes"]),
        ["own", "aws-secrets-injector", "aws-secrets-injector-token"]
    );
    assert_eq!(after["spec"]["volumes"][0]["fieldOfTheFuture"], 2);
    assert_eq!(
        names(&after["spec"]["containers"][0]["volumeMounts"]),
        ["own", "aws-secrets-injector"]
    );
}

#[test]
fn a_second_pass_changes_nothing_and_serves_containers_that_came_between() {
    let mut after = patched(&small());
    assert_eq!(patched(&after), after);
    let first = pod(after.clone());
    assert!(operations(&first, &plan(&first, &[])).unwrap().is_empty());
    after["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "late"}));
    let again = patched(&after);
    assert_eq!(
        again["spec"]["containers"][1]["volumeMounts"][0]["name"],
        "aws-secrets-injector"
    );
    assert_eq!(again["spec"]["initContainers"].as_array().unwrap().len(), 1);
}

#[test]
fn a_later_webhooks_init_container_does_not_stay_before_ours() {
    let mut after = patched(&small());
    let containers = after["spec"]["initContainers"].as_array_mut().unwrap();
    containers.insert(0, json!({"name": "mesh-init"}));
    let ours = containers[1].clone();
    let again = patched(&after);
    assert_eq!(again["spec"]["initContainers"][0], ours);
    let mesh = &again["spec"]["initContainers"][1];
    assert_eq!(mesh["name"], "mesh-init");
    assert_eq!(mesh["volumeMounts"][0]["readOnly"], true);
}

#[test]
fn what_was_changed_between_is_put_right_and_what_was_added_stays() {
    let first = patched(&small());
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut between = first.clone();
        change(&mut between["spec"]);
        patched(&between)
    };
    let healed: [&dyn Fn(&mut Value); 6] = [
        &|spec| spec["initContainers"] = json!([]),
        &|spec| spec["initContainers"][0]["env"][0]["value"] = "[]".into(),
        &|spec| spec["initContainers"][0]["volumeMounts"] = json!([]),
        &|spec| spec["initContainers"][0]["restartPolicy"] = "Always".into(),
        &|spec| {
            spec["volumes"][0] = json!({"name": "aws-secrets-injector", "hostPath": {"path": "/"}});
        },
        &|spec| spec["containers"][0]["volumeMounts"][0]["readOnly"] = false.into(),
    ];
    for change in healed {
        assert_eq!(changed(change), first);
    }
    // As EKS's pod-identity webhook and one for a registry mirror leave it, with the API server's defaults.
    let added = |spec: &mut Value| {
        let ours = &mut spec["initContainers"][0];
        ours["image"] = "mirror/injector:1".into();
        ours["terminationMessagePath"] = "/dev/termination-log".into();
        ours["env"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "AWS_DEFAULT_REGION", "value": "us-east-2"}));
        ours["env"][4]["valueFrom"]["fieldRef"]["apiVersion"] = "v1".into();
        let mount = json!({"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true});
        ours["volumeMounts"].as_array_mut().unwrap().push(mount);
        spec["volumes"][1]["projected"]["defaultMode"] = 420.into();
    };
    let mut between = first.clone();
    added(&mut between["spec"]);
    assert_eq!(changed(&added), between);
}

#[test]
fn a_mount_inside_or_around_the_secrets_is_named() {
    let mut before = small();
    before["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "own", "mountPath": "/mnt/secrets-store/cache/"}]);
    assert!(
        refused(before)
            .contains("\"own\" at /mnt/secrets-store/cache/, inside the read-only directory")
    );
    let mut before = small();
    before["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "own", "mountPath": "/mnt", "readOnly": true}, {"name": "other", "mountPath": "/mnt/secrets-stores"}]);
    let pod = pod(before);
    let warnings = warnings(&pod, &plan(&pod, &[]));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("\"own\" read-only at /mnt:"),
        "{warnings:?}"
    );
}

#[test]
fn only_the_chosen_containers_get_the_files() {
    let mut before = small();
    before["metadata"]["annotations"]["aws-secrets-injector.io/containers"] = "web".into();
    before["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "other"}));
    let after = patched(&before);
    assert_eq!(
        after["spec"]["containers"][0]["volumeMounts"][0]["readOnly"],
        true
    );
    assert_eq!(after["spec"]["containers"][1], json!({"name": "other"}));
    before["metadata"]["annotations"]["aws-secrets-injector.io/containers"] = "webb".into();
    assert!(refused(before).contains("the pod has no container \"webb\""));
}

#[test]
fn several_classes_share_a_path_or_have_their_own() {
    let mut before = small();
    before["metadata"]["annotations"]["aws-secrets-injector.io/secret-provider-class"] =
        "a,b,c=/c".into();
    let after = patched(&before);
    let mounts: Vec<_> = after["spec"]["containers"][0]["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| (mount["name"].clone(), mount["mountPath"].clone()))
        .collect();
    assert_eq!(
        mounts,
        [
            (json!("aws-secrets-injector"), json!("/mnt/secrets-store")),
            (json!("aws-secrets-injector-2"), json!("/c"))
        ]
    );
}

#[test]
fn what_is_in_the_way_is_named() {
    let mut before = small();
    before["spec"]["volumes"] = json!([{"name": "aws-secrets-injector", "emptyDir": {}}]);
    assert!(refused(before).contains("already has a volume named \"aws-secrets-injector\""));
    let mut before = small();
    before["spec"]["containers"][0]["name"] = "aws-secrets-injector".into();
    assert!(refused(before).contains("already has a container named \"aws-secrets-injector\""));
    // Not asked for this time, and kept all the same.
    for (list, name) in [
        ("containers", "aws-secrets-refresher"),
        ("initContainers", "aws-secrets-refresher"),
    ] {
        let mut before = small();
        before["spec"][list] = json!([{"name": name}]);
        let words = format!("already has a container named {name:?}");
        assert!(refused(before).contains(&words), "{list}");
    }
    for name in [
        "aws-secrets-injector-2",
        "aws-secrets-injector-007",
        "aws-secrets-injector-token",
        "aws-secrets-injector-state",
    ] {
        let mut before = small();
        before["spec"]["volumes"] = json!([{"name": name, "emptyDir": {}}]);
        let words = format!("already has a volume named {name:?}");
        assert!(refused(before).contains(&words), "{name}");
    }
    let mut before = small();
    before["spec"]["volumes"] = json!([{"name": "aws-secrets-injector-2x", "emptyDir": {}}]);
    patched(&before);
    let mut before = small();
    before["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "csi", "mountPath": "/mnt/secrets-store/"}]);
    assert!(
        refused(before)
            .contains("container \"web\" already mounts the volume \"csi\" at /mnt/secrets-store")
    );
}

/// It was exported with `kubectl get -o yaml`, and is applied with other annotations.
#[test]
fn an_injected_pod_that_asks_for_less_has_less() {
    let mut before = small();
    before["metadata"]["annotations"]["aws-secrets-injector.io/refresh-interval"] = "5m".into();
    let mut exported = patched(&before);
    let annotations = exported["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.remove("aws-secrets-injector.io/refresh-interval");
    let after = patched(&exported);
    let names: Vec<_> = after["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["aws-secrets-injector"]);
    assert_eq!(patched(&after), after);
    let mut before = small();
    let classes = "aws-secrets-injector.io/secret-provider-class";
    before["metadata"]["annotations"][classes] = "db,other=/etc/other".into();
    let mut exported = patched(&before);
    exported["metadata"]["annotations"][classes] = "db".into();
    assert!(refused(exported).contains("already has a volume named \"aws-secrets-injector-2\""));
}

#[test]
fn a_status_that_the_user_wrote_is_no_injection() {
    let mut before = small();
    before["metadata"]["annotations"]["aws-secrets-injector.io/status"] = "injected".into();
    assert_eq!(
        patched(&before)["spec"]["initContainers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    before["spec"]["initContainers"] = json!([{"name": "aws-secrets-injector", "image": "evil"}]);
    assert!(refused(before).contains("already has a container named"));
}

#[test]
fn the_injected_user_is_the_pods_own() {
    let user = |security: Value, container: Value, annotations: &[(&str, &str)]| {
        let mut before = small();
        before["spec"]["securityContext"] = security;
        before["spec"]["containers"][0]["securityContext"] = container;
        for (name, value) in annotations {
            before["metadata"]["annotations"][format!("aws-secrets-injector.io/{name}")] =
                (*value).into();
        }
        let context = patched(&before)["spec"]["initContainers"][0]["securityContext"].clone();
        (
            context["runAsUser"].as_i64().unwrap(),
            context["runAsGroup"].as_i64().unwrap(),
            context["runAsNonRoot"].as_bool().unwrap(),
        )
    };
    assert_eq!(user(json!({}), json!({}), &[]), (65532, 65532, true));
    assert_eq!(
        user(json!({"runAsUser": 1000}), json!({"runAsUser": 2000}), &[]),
        (2000, 2000, true),
        "the one that reads"
    );
    assert_eq!(
        user(
            json!({"runAsUser": 1000, "runAsGroup": 3000}),
            json!({}),
            &[]
        ),
        (1000, 3000, true)
    );
    assert_eq!(
        user(json!({}), json!({"runAsUser": 2000}), &[]),
        (2000, 2000, true)
    );
    assert_eq!(user(json!({"runAsUser": 0}), json!({}), &[]), (0, 0, false));
    assert_eq!(
        user(
            json!({"runAsUser": 1000}),
            json!({}),
            &[("run-as-user", "7"), ("run-as-group", "8")]
        ),
        (7, 8, true)
    );
}

#[test]
fn pod_identity_gets_its_own_token_and_no_role() {
    let pod = pod(small());
    let injection = plan(&pod, &[("usePodIdentity", "true")]);
    let sources = injection.volumes[1]
        .projected
        .as_ref()
        .unwrap()
        .sources
        .as_ref()
        .unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!(
        sources[0]
            .service_account_token
            .as_ref()
            .unwrap()
            .audience
            .as_deref(),
        Some("pods.eks.amazonaws.com")
    );
    let names: Vec<_> = injection.init_containers[0]
        .env
        .as_ref()
        .unwrap()
        .iter()
        .map(|variable| variable.name.as_str())
        .collect();
    assert!(
        names.contains(&"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            && !names.contains(&"AWS_ROLE_ARN"),
        "{names:?}"
    );
}

#[test]
fn a_pod_without_annotations_map_cannot_want_anything_but_is_patched_if_it_did() {
    let mut changes = Changes::default();
    put_status(&Pod::default(), &mut changes);
    let mut pod = json!({"metadata": {}});
    json_patch::patch(&mut pod, &changes.0).unwrap();
    assert_eq!(
        pod["metadata"]["annotations"]["aws-secrets-injector.io/status"],
        "injected"
    );
}
