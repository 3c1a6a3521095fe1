//! References to Kubernetes Secrets that the pod's classes describe: which variables take their place, which stay, and which
//! pods are refused.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use aws_secrets_webhook::Args;
use aws_secrets_webhook::admission::{Admitted, inject};
use aws_secrets_webhook::pod::Role;
use aws_secrets_webhook::pod::annotations::PodRequest;
use aws_secrets_webhook::pod::class::MountedClass;
use aws_secrets_webhook::pod::injection::Inputs;
use aws_secrets_webhook::pod::strip::Stripped;
use clap::Parser as _;
use k8s_openapi::api::core::v1::Pod;
use provider_class::{Class, EnvMethod, SecretProviderClassSpec};
use serde_json::{Value, json};

const METHOD: &str = "aws-secrets-injector.io/env-method";
const MODE: &str = "aws-secrets-injector.io/secret-objects";

/// A class with a file of its name and these Secrets.
fn class(name: &str, secrets: Value) -> MountedClass {
    let objects = format!("- {{objectName: {name}, objectType: secretsmanager}}\n");
    class_of(name, &objects, secrets)
}

/// A class with these objects and Secrets.
fn class_of(name: &str, objects: &str, secrets: Value) -> MountedClass {
    let mut spec = SecretProviderClassSpec::aws([("objects", objects)]);
    spec.secret_objects = serde_json::from_value(secrets).unwrap();
    MountedClass {
        volume: None,
        mount_path: "/mnt/secrets-store".to_owned(),
        class: Class::parse(name, &spec).unwrap().into(),
        parameters: spec.parameters.into(),
        version: 0,
    }
}

fn secret(name: &str, secret_type: &str, file: &str, keys: &[&str]) -> Value {
    let data = keys.iter();
    let data: Vec<_> = data
        .map(|key| json!({"objectName": file, "key": key}))
        .collect();
    json!({"secretName": name, "type": secret_type, "data": data})
}

fn admit(pod: &Value, classes: &[MountedClass]) -> Result<(Value, Vec<String>), String> {
    let typed: Pod = serde_json::from_value(pod.clone()).unwrap();
    let annotations = typed.metadata.annotations.clone().unwrap();
    let request = PodRequest::read(&annotations).unwrap().unwrap();
    let region = "us-east-2".parse().unwrap();
    let role = Role {
        arn: "arn:aws:iam::111122223333:role/web".parse().unwrap(),
        audience: "sts.amazonaws.com".to_owned(),
        expiration: 86400,
    };
    let settings = Args::parse_from(["webhook", "--injector-image", "injector:1"]).settings();
    let admitted = inject(Inputs {
        request: &request,
        classes,
        role: Some(&role),
        default_region: Some(&region),
        settings: &settings,
        pod: &Stripped::new(&typed).map_err(|conflict| conflict.to_string())?,
    });
    let Admitted {
        patch, warnings, ..
    } = admitted.map_err(|refusal| refusal.message())?;
    let mut after = pod.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    Ok((after, warnings))
}

/// The pod after the patch, which a second pass leaves as it is, and its warnings.
#[track_caller]
fn admitted(pod: &Value) -> (Value, Vec<String>) {
    let classes = classes();
    let (after, warnings) = admit(pod, &classes).unwrap();
    let (again, _) = admit(&after, &classes).unwrap();
    assert_eq!(again, after, "a second pass");
    (after, warnings)
}

fn classes() -> [MountedClass; 1] {
    [class(
        "db",
        json!([
            secret(
                "credentials",
                "Opaque",
                "db",
                &["user", "password", "pass", "1st"]
            ),
            secret("tls", "kubernetes.io/tls", "db", &["tls.crt", "tls.key"]),
        ]),
    )]
}

/// A pod with this container.
fn pod(container: Value) -> Value {
    let mut web = json!({"name": "web", "image": "web"});
    let Value::Object(fields) = container else {
        panic!("{container}")
    };
    web.as_object_mut().unwrap().extend(fields);
    json!({
        "metadata": {"annotations": {"aws-secrets-injector.io/secret-provider-class": "db"}},
        "spec": {"containers": [web]},
    })
}

fn of_secret(name: &str, secret: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}

fn of_file(name: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"fileKeyRef": {
        "volumeName": "aws-secrets-injector-env", "path": "files/env", "key": format!("aws-secrets-injector.{key}"),
    }}})
}

fn web(pod: &Value) -> &Value {
    &pod["spec"]["containers"][0]
}

/// The names of variables that the injector is told, with their files.
fn told(pod: &Value) -> Vec<String> {
    let fetcher = &pod["spec"]["initContainers"][0];
    let environment = fetcher["env"].as_array().unwrap();
    let mut variables = environment.iter();
    let Some(variable) = variables.find(|variable| variable["name"] == "SECRET_VARIABLES") else {
        return Vec::new();
    };
    let told: Value = serde_json::from_str(variable["value"].as_str().unwrap()).unwrap();
    let told = told["variables"].as_array().unwrap().iter();
    told.map(|variable| variable["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_variable_takes_the_place_of_each_reference() {
    let before = pod(json!({"env": [
        {"name": "A", "value": "a"},
        of_secret("PASSWORD", "credentials", "password"),
        of_secret("OTHER", "other", "password"),
        {"name": "URL", "value": "$(PASSWORD)", "fieldOfTheFuture": 1},
        of_secret("AGAIN", "credentials", "password"),
    ]}));
    let (after, warnings) = admitted(&before);
    let mut expected = web(&before)["env"].clone();
    expected[1] = of_file("PASSWORD", "credentials_password");
    expected[4] = of_file("AGAIN", "credentials_password");
    assert_eq!(web(&after)["env"], expected);
    assert_eq!(told(&after), ["aws-secrets-injector.credentials_password"]);
    assert_eq!(warnings, [] as [&str; 0]);
}

#[test]
fn every_key_of_env_from_becomes_a_variable_that_gives_way_to_the_containers_own() {
    let before = pod(json!({
        "envFrom": [
            {"secretRef": {"name": "credentials"}},
            {"configMapRef": {"name": "settings"}},
            {"prefix": "DB_", "secretRef": {"name": "credentials", "optional": true}},
        ],
        "env": [{"name": "user", "value": "own"}],
    }));
    let (after, _) = admitted(&before);
    let optional = |name: &str, key: &str| {
        let mut variable = of_file(name, key);
        variable["valueFrom"]["fileKeyRef"]["optional"] = true.into();
        variable
    };
    assert_eq!(
        web(&after)["env"],
        json!([
            of_file("1st", "credentials_1st"),
            optional("DB_1st", "credentials_1st"),
            optional("DB_pass", "credentials_pass"),
            optional("DB_password", "credentials_password"),
            optional("DB_user", "credentials_user"),
            of_file("pass", "credentials_pass"),
            of_file("password", "credentials_password"),
            {"name": "user", "value": "own"},
        ])
    );
    assert_eq!(
        web(&after)["envFrom"],
        json!([{"configMapRef": {"name": "settings"}}])
    );
    assert_eq!(told(&after).len(), 4);
}

#[test]
fn exec_sets_the_variables_only_where_a_container_refers_to_them() {
    let mut before = pod(json!({
        "command": ["web"],
        "env": [of_secret("PASSWORD", "credentials", "password"), {"name": "A", "value": "a"}],
    }));
    before["metadata"]["annotations"][METHOD] = "exec".into();
    let other = json!({"name": "other", "command": ["other"]});
    before["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(other);
    let (after, warnings) = admitted(&before);
    let command = web(&after)["command"].as_array().unwrap();
    assert_eq!(
        command[3..],
        [
            json!("--set=PASSWORD=aws-secrets-injector.credentials_password"),
            json!("--"),
            json!("web")
        ]
    );
    assert_eq!(web(&after)["env"], json!([{"name": "A", "value": "a"}]));
    assert_eq!(web(&after)["volumeMounts"].as_array().unwrap().len(), 3);
    let other = &after["spec"]["containers"][1];
    assert_eq!(other["command"], json!(["other"]));
    assert_eq!(other["volumeMounts"].as_array().unwrap().len(), 1);
    assert_eq!(warnings, [] as [&str; 0]);
}

#[test]
fn every_name_that_kubernetes_takes_works_by_both_methods() {
    let first_key = |name: &str| of_secret(name, "credentials", "1st");
    let mut before = pod(json!({
        "command": ["web"],
        "envFrom": [{"prefix": "# Db:", "secretRef": {"name": "credentials"}}],
        "env": [first_key("ConnectionStrings:Default"), first_key("my $(HOME)")],
        "livenessProbe": {"exec": {"command": ["check"]}},
        "lifecycle": {"preStop": {"exec": {"command": ["leave"]}}},
    }));
    let (after, warnings) = admitted(&before);
    let names = web(&after)["env"].as_array().unwrap().iter();
    let names: Vec<_> = names
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "# Db:1st",
            "# Db:pass",
            "# Db:password",
            "# Db:user",
            "ConnectionStrings:Default",
            "my $(HOME)"
        ]
    );
    assert_eq!(warnings, [""; 0]);
    before["metadata"]["annotations"][METHOD] = "exec".into();
    let (after, warnings) = admitted(&before);
    let command = web(&after)["command"].as_array().unwrap();
    for option in [
        "--set=# Db:user=aws-secrets-injector.credentials_user",
        "--set=ConnectionStrings:Default=aws-secrets-injector.credentials_1st",
        // The kubelet expands commands.
        "--set=my $$(HOME)=aws-secrets-injector.credentials_1st",
    ] {
        assert!(command.contains(&json!(option)), "{command:?}");
    }
    // So it does with a probe's, but not with a hook's.
    let words = |path: &str| web(&after).pointer(path).unwrap().to_string();
    assert!(words("/livenessProbe/exec/command").contains("my $$(HOME)="));
    assert!(words("/lifecycle/preStop/exec/command").contains("my $(HOME)="));
    assert_eq!(warnings, [""; 0]);
    let mut exported = after;
    exported["metadata"]["annotations"][MODE] = "ignore".into();
    let (after, _) = admitted(&exported);
    assert!(
        web(&after)["env"]
            .as_array()
            .unwrap()
            .contains(&first_key("my $(HOME)")),
        "{after}"
    );
}

#[test]
fn the_last_variable_of_a_name_takes_precedence() {
    let reference = of_secret("X", "credentials", "password");
    let other = of_secret("X", "credentials", "user");
    let plain = json!({"name": "X", "value": "plain"});
    let field = json!({"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}});
    for (env, left, set) in [
        (json!([reference, plain]), json!([plain]), None),
        (json!([reference, field]), json!([field]), None),
        (json!([plain, reference]), json!([plain]), Some("password")),
        (json!([reference, other]), Value::Null, Some("user")),
    ] {
        let mut before = pod(json!({"command": ["web"], "env": env}));
        before["metadata"]["annotations"][METHOD] = "exec".into();
        let (after, warnings) = admitted(&before);
        let left_over = web(&after)["env"].as_array().filter(|env| !env.is_empty());
        assert_eq!(json!(left_over), left);
        let command = web(&after)["command"].to_string();
        match set {
            Some(key) => {
                assert_eq!(command.matches("--set").count(), 1, "{command}");
                let option = format!("--set=X=aws-secrets-injector.credentials_{key}");
                assert!(command.contains(&option), "{command}");
            }
            None => assert_eq!(command, "[\"web\"]"),
        }
        assert_eq!(warnings, [""; 0]);
    }
    // A Secret of which the container sets each key itself is not needed, either.
    let one = [class("db", json!([secret("one", "Opaque", "db", &["X"])]))];
    let before = pod(json!({"envFrom": [{"secretRef": {"name": "one"}}], "env": [plain]}));
    let (after, _) = admit(&before, &one).unwrap();
    assert_eq!(web(&after)["env"], json!([plain]));
    assert!(
        web(&after)["envFrom"].as_array().is_none_or(Vec::is_empty),
        "{after}"
    );
    assert!(
        !after["spec"]["volumes"]
            .to_string()
            .contains("injector-env")
    );
}

#[test]
fn the_injector_is_told_which_keys_may_be_missing() {
    let optional = |name: &str, key: &str| {
        let mut variable = of_secret(name, "credentials", key);
        variable["valueFrom"]["secretKeyRef"]["optional"] = true.into();
        variable
    };
    let before = pod(json!({"env": [
        optional("A", "user"),
        optional("B", "password"),
        of_secret("C", "credentials", "password"),
    ]}));
    let (after, _) = admitted(&before);
    let environment = after["spec"]["initContainers"][0]["env"]
        .as_array()
        .unwrap();
    let mut told = environment
        .iter()
        .filter(|variable| variable["name"] == "SECRET_VARIABLES");
    let told = told.next().unwrap()["value"].as_str().unwrap();
    let told: Value = serde_json::from_str(told).unwrap();
    let told = told["variables"].as_array().unwrap().iter();
    let optional: Vec<_> = told
        .map(|variable| {
            (
                variable["name"].as_str().unwrap(),
                variable["optional"] == true,
            )
        })
        .collect();
    assert_eq!(
        optional,
        [
            ("aws-secrets-injector.credentials_password", false),
            ("aws-secrets-injector.credentials_user", true)
        ]
    );
}

#[test]
fn a_method_that_the_webhook_chose_is_no_annotation_without_effect() {
    let mut before = pod(json!({"env": [of_secret("X", "credentials", "nope")]}));
    before["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["optional"] =
        true.into();
    let pod: Pod = serde_json::from_value(before).unwrap();
    let annotations = pod.metadata.annotations.clone().unwrap();
    let mut request = PodRequest::read(&annotations).unwrap().unwrap();
    request.env_method = Some(EnvMethod::Kubelet);
    let settings = Args::parse_from(["webhook", "--injector-image", "injector:1"]).settings();
    let admitted = inject(Inputs {
        request: &request,
        classes: &classes(),
        role: None,
        default_region: None,
        settings: &settings,
        pod: &Stripped::new(&pod).unwrap(),
    });
    assert_eq!(admitted.unwrap().warnings, [""; 0]);
}

#[test]
fn a_reference_that_cannot_be_served_stays_with_a_warning() {
    let env = json!([of_secret("PASSWORD", "credentials", "password")]);
    let exec = |container: Value| {
        let mut pod = pod(container);
        pod["metadata"]["annotations"][METHOD] = "exec".into();
        pod
    };
    let mut left_out = pod(json!({"env": env}));
    left_out["metadata"]["annotations"]["aws-secrets-injector.io/containers"] = "other".into();
    left_out["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "other"}));
    for (before, reason) in [
        (
            exec(json!({"env": env})),
            "env-method exec needs the container's command: set command in the container",
        ),
        (
            exec(json!({"env": env, "command": ["web"], "args": ["-p$(PASSWORD)"]})),
            "use it as $(NAME), which env-method exec does not support",
        ),
        (
            pod(json!({"env": [of_secret("KEY", "tls", "tls.key")]})),
            "of type kubernetes.io/tls is a part of a file; read the file /mnt/secrets-store/db",
        ),
        (
            left_out,
            "the annotation aws-secrets-injector.io/containers leaves the container out",
        ),
    ] {
        let (after, warnings) = admitted(&before);
        assert_eq!(web(&after)["env"], web(&before)["env"]);
        assert_eq!(web(&after)["command"], web(&before)["command"]);
        assert_eq!(told(&after), [] as [&str; 0]);
        let warning = warnings
            .iter()
            .find(|warning| warning.contains("refers to"));
        let warning = warning.unwrap();
        assert!(
            warning.contains("container \"web\" refers to the Secret") && warning.contains(reason),
            "{warning}"
        );
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_remedy() {
    let missing = pod(json!({"env": [of_secret("PASSWORD", "credentials", "pw")]}));
    let message = admit(&missing, &classes()).unwrap_err();
    assert_eq!(
        message,
        "container \"web\" sets the variable \"PASSWORD\" to the key \"pw\" of the Secret \"credentials\", but class \"db\" gives that Secret only the keys user, password, pass, 1st: correct the key, or add it to the class's secretObjects"
    );
    let mut optional = missing;
    optional["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["optional"] =
        true.into();
    let (after, _) = admitted(&optional);
    assert_eq!(web(&after)["env"], web(&optional)["env"]);

    let both = [
        class("db", json!([secret("credentials", "Opaque", "db", &["a"])])),
        class(
            "mail",
            json!([secret("credentials", "Opaque", "mail", &["a"])]),
        ),
    ];
    let twice = pod(json!({"envFrom": [{"secretRef": {"name": "credentials"}}]}));
    let message = admit(&twice, &both).unwrap_err();
    assert!(
        message.contains(
            "which the classes \"db\" and \"mail\" both describe in secretObjects: rename it"
        ),
        "{message}"
    );
    admit(&pod(json!({})), &both).unwrap();

    let source = json!({"secretRef": {"name": "credentials"}});
    let many = pod(json!({"envFrom": vec![source; 1025]}));
    let message = admit(&many, &classes()).unwrap_err();
    assert!(
        message.contains(
            "4100 keys of Secrets in envFrom, but a pod with secrets can have at most 4096"
        ),
        "{message}"
    );
}

#[test]
fn a_volume_of_such_a_secret_is_refused_with_the_files() {
    let items = json!([{"key": "password", "path": "pw"}]);
    for volume in [
        json!({"secret": {"secretName": "credentials", "items": items}}),
        json!({"projected": {"sources": [{"configMap": {"name": "x"}}, {"secret": {"name": "credentials", "items": items}}]}}),
    ] {
        let mut before = pod(json!({}));
        let mut named = volume.clone();
        named["name"] = "creds".into();
        before["spec"]["volumes"] = json!([named]);
        let message = admit(&before, &classes()).unwrap_err();
        assert!(
            message.starts_with("the volume \"creds\" needs the Secret \"credentials\" of class \"db\", but the kubelet mounts volumes before")
                && message.ends_with("remove the volume and read /mnt/secrets-store/db (key \"password\")"),
            "{message}"
        );
        before["metadata"]["annotations"][MODE] = "sync".into();
        let again = admit(&before, &classes()).unwrap_err();
        assert_eq!(again, message);
        before["metadata"]["annotations"][MODE] = "ignore".into();
        admitted(&before);
    }
    let mut optional = pod(json!({}));
    optional["spec"]["volumes"] =
        json!([{"name": "creds", "secret": {"secretName": "credentials", "optional": true}}]);
    admitted(&optional);
}

#[test]
fn a_volume_that_needs_such_a_secret_to_be_mounted_is_refused() {
    let reference = json!({"name": "credentials"});
    for volume in [
        json!({"csi": {"driver": "smb.csi.k8s.io", "nodePublishSecretRef": reference}}),
        json!({"iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2001-04.com.example:a", "lun": 0, "secretRef": reference}}),
        json!({"flexVolume": {"driver": "example.com/a", "secretRef": reference}}),
        json!({"azureFile": {"secretName": "credentials", "shareName": "a"}}),
        json!({"cephfs": {"monitors": ["10.0.0.1"], "secretRef": reference}}),
        json!({"rbd": {"monitors": ["10.0.0.1"], "image": "a", "secretRef": reference}}),
    ] {
        let mut before = pod(json!({}));
        let mut named = volume.clone();
        named["name"] = "share".into();
        before["spec"]["volumes"] = json!([named]);
        for mode in ["env", "sync"] {
            before["metadata"]["annotations"][MODE] = mode.into();
            let message = admit(&before, &classes()).unwrap_err();
            assert!(
                message.starts_with(
                    "the volume \"share\" needs the Secret \"credentials\" of class \"db\""
                ) && message.ends_with(
                    "create the Secret before the pod, and remove it from the class's secretObjects"
                ),
                "{message}"
            );
        }
        before["metadata"]["annotations"][MODE] = "ignore".into();
        admitted(&before);
    }
}

#[test]
fn a_secret_for_image_pulls_is_a_warning() {
    let mut before = pod(json!({}));
    before["spec"]["imagePullSecrets"] = json!([{"name": "other"}, {"name": "credentials"}]);
    let (_, warnings) = admitted(&before);
    assert_eq!(
        warnings,
        [
            "imagePullSecrets of the pod has the Secret \"credentials\" of class \"db\", which the annotation aws-secrets-injector.io/secret-objects: env does not create, so images are pulled with it only if somebody else creates it"
        ]
    );
    before["metadata"]["annotations"][MODE] = "sync".into();
    assert_eq!(admitted(&before).1, [""; 0]);
}

#[test]
fn ignored_secrets_are_a_warning_and_references_stay() {
    let mut before = pod(json!({"env": [of_secret("PASSWORD", "credentials", "password")]}));
    before["metadata"]["annotations"][MODE] = "ignore".into();
    before["metadata"]["annotations"][METHOD] = "kubelet".into();
    let (after, warnings) = admitted(&before);
    assert_eq!(web(&after)["env"], web(&before)["env"]);
    assert_eq!(
        warnings,
        [
            "class \"db\": secretObjects: has no effect with the annotation aws-secrets-injector.io/secret-objects: ignore; only the Secrets Store CSI Driver creates these Secrets then",
            "annotation aws-secrets-injector.io/env-method has no effect without aws-secrets-injector.io/env",
        ]
    );
}

/// As an exported pod that is applied with another annotation.
#[test]
fn references_come_back_where_they_are_not_served_any_more() {
    for method in ["kubelet", "exec"] {
        let mut before = pod(json!({
            "command": ["web"],
            "env": [of_secret("PASSWORD", "credentials", "password"), {"name": "A", "value": "a"}],
        }));
        before["metadata"]["annotations"][METHOD] = method.into();
        let (mut exported, _) = admitted(&before);
        exported["metadata"]["annotations"][MODE] = "ignore".into();
        let (after, _) = admitted(&exported);
        assert_eq!(web(&after)["env"], web(&before)["env"], "{method}");
        assert_eq!(web(&after)["command"], json!(["web"]));
        assert_eq!(told(&after), [] as [&str; 0]);
        assert!(
            !after["spec"]["volumes"]
                .to_string()
                .contains("injector-env")
        );
    }
    let methods = ["kubelet", "exec"];
    for (first, second) in [(methods[0], methods[1]), (methods[1], methods[0])] {
        let mut before = pod(json!({
            "command": ["web"],
            "env": [of_secret("PASSWORD", "credentials", "password")],
        }));
        before["metadata"]["annotations"][METHOD] = first.into();
        let (mut exported, _) = admitted(&before);
        exported["metadata"]["annotations"][METHOD] = second.into();
        let (after, _) = admitted(&exported);
        before["metadata"]["annotations"][METHOD] = second.into();
        let (fresh, _) = admitted(&before);
        let of_web = |pod: &Value| {
            (
                web(pod)["command"].clone(),
                web(pod)["env"].as_array().map_or(0, Vec::len),
            )
        };
        assert_eq!(of_web(&after), of_web(&fresh), "{first} {second}");
    }
}

#[test]
fn a_key_of_an_optional_object_is_no_variable_where_it_is_missing() {
    let objects = "- {objectName: db, objectType: secretsmanager, optional: true}";
    let secrets = json!([secret("credentials", "Opaque", "db", &["user"])]);
    let classes = [class_of("db", objects, secrets)];
    let mut before = pod(json!({
        "command": ["web"],
        "envFrom": [{"secretRef": {"name": "credentials"}}],
        "env": [of_secret("USER", "credentials", "user")],
    }));
    let (after, _) = admit(&before, &classes).unwrap();
    let env = &web(&after)["env"];
    let is_optional = |index: usize| &env[index]["valueFrom"]["fileKeyRef"]["optional"];
    // A reference in env fails where a Secret has no such key, unless it says otherwise.
    assert_eq!(
        [&env[0]["name"], is_optional(0), is_optional(1)],
        [&json!("user"), &json!(true), &Value::Null]
    );
    before["metadata"]["annotations"][METHOD] = "exec".into();
    let (after, _) = admit(&before, &classes).unwrap();
    let command = web(&after)["command"].as_array().unwrap();
    for option in [
        "--set-optional=user=aws-secrets-injector.credentials_user",
        "--set=USER=aws-secrets-injector.credentials_user",
    ] {
        assert!(command.contains(&json!(option)), "{command:?}");
    }
    let (again, _) = admit(&after, &classes).unwrap();
    assert_eq!(again, after, "a second pass");
}
