//! What a pod gets.

use super::*;

#[test]
fn a_pod_with_nothing_gets_everything() {
    let after = patched(&small());
    let expected = json!({
        "metadata": {"annotations": {
            "aws-secrets-injector.io/secret-provider-class": "db",
            "aws-secrets-injector.io/status": "injected",
        }, "labels": {"aws-secrets-injector.io/class-hash": "603de3cc3a"}},
        "spec": {
            "containers": [{
                "name": "web",
                "image": "web",
                "volumeMounts": [{"name": "aws-secrets-injector", "mountPath": "/mnt/secrets-store", "subPath": "files", "readOnly": true}],
            }],
            "initContainers": [{
                "name": "aws-secrets-injector",
                "image": "injector:1",
                "args": ["fetch"],
                "env": [
                    {"name": "SECRET_PROVIDER_CLASSES", "value": "[{\"name\":\"db\",\"mountPath\":\"/mnt/secrets-store/files\",\"parameters\":{\"objects\":\"- {objectName: db, objectType: secretsmanager, objectAlias: db-$$(HOME)}\"}}]"},
                    {"name": "AWS_REGION", "value": "us-east-2"},
                    {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"},
                    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/aws-secrets-injector/token"},
                    {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "AWS_ENDPOINT_URL", "value": "http://aws"},
                    {"name": "TERMINATION_MESSAGE_PATH", "value": "/dev/termination-log"},
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
    assert!(refused(&before).contains("the pod has no container \"webb\""));
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
    let injection = plan(&Stripped::new(&pod).unwrap(), &[("usePodIdentity", "true")]);
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
    let pod = Pod::default();
    let pod = Stripped::new(&pod).unwrap();
    put_annotation(&pod, STATUS, INJECTED, &mut changes);
    let mut pod = json!({"metadata": {}});
    json_patch::patch(&mut pod, &changes.operations).unwrap();
    assert_eq!(
        pod["metadata"]["annotations"]["aws-secrets-injector.io/status"],
        "injected"
    );
}
