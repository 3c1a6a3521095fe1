//! Pods before and after: `tests/pods/NAME.yaml` holds a pod, and what becomes of it. With `UPDATE_PODS=1` the second
//! document of each is written anew, to be read before it is committed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aws_secrets_webhook::Args;
use aws_secrets_webhook::admission::Refusal;
use aws_secrets_webhook::admission::{Admitted, inject, request};
use aws_secrets_webhook::pod::Role;
use aws_secrets_webhook::pod::annotations::ClassMount;
use aws_secrets_webhook::pod::class::MountedClass;
use aws_secrets_webhook::pod::csi::CsiVolumes;
use aws_secrets_webhook::pod::injection::Inputs;
use aws_secrets_webhook::pod::strip::Stripped;
use clap::Parser as _;
use json_patch::Patch;
use k8s_openapi::api::core::v1::Pod;
use provider_class::{Class, SecretProviderClassSpec};
use serde_json::Value;

/// Its second document is what a first one becomes.
fn patched(pod: &Value) -> Value {
    let mut after = pod.clone();
    json_patch::patch(&mut after, &patch_of(pod)).unwrap();
    after
}

fn patch_of(pod: &Value) -> Patch {
    injected(pod).unwrap().patch
}

fn injected(pod: &Value) -> Result<Admitted, Refusal> {
    injected_by(pod, &[])
}

/// By a webhook with these arguments.
fn injected_by(pod: &Value, more: &[&str]) -> Result<Admitted, Refusal> {
    let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
    let pod = Stripped::new(&pod)?;
    let request = request(&pod, CsiVolumes::Replace)?.unwrap();
    let region = "us-east-2".parse().unwrap();
    let classes: Vec<_> = request.classes.iter().map(class).collect();
    let role = Role {
        arn: "arn:aws:iam::111122223333:role/web".parse().unwrap(),
        audience: "sts.amazonaws.com".to_owned(),
        expiration: 86400,
    };
    let args = [&["webhook", "--injector-image", "injector:1"], more].concat();
    let settings = Args::parse_from(args).settings();
    let inputs = Inputs {
        request: &request,
        classes: &classes,
        role: Some(&role),
        default_region: Some(&region),
        settings: &settings,
        pod: &pod,
    };
    inject(inputs)
}

/// The class `pod-identity` uses EKS Pod Identity, all others the role of the ServiceAccount. The class `synced` describes a
/// Kubernetes Secret, and `aliased` has an objectAlias.
fn class(mount: &ClassMount) -> MountedClass {
    let name = mount.class.name();
    let object = match name {
        "aliased" => "shop/db, objectAlias: db",
        name => name,
    };
    let objects = format!("- {{objectName: {object}, objectType: secretsmanager}}\n");
    let mut parameters = BTreeMap::from([("objects".to_owned(), objects)]);
    if name == "pod-identity" {
        parameters.insert("usePodIdentity".to_owned(), "true".to_owned());
    }
    let mut spec = SecretProviderClassSpec::aws(parameters);
    if name == "synced" {
        spec.secret_objects = vec![serde_json::json!({
            "secretName": "credentials", "type": "Opaque",
            "data": [{"objectName": "synced", "key": "password"}, {"objectName": "synced", "key": "pass.word"}],
        })];
    }
    MountedClass {
        mount_path: mount.mount_path.clone(),
        volume: mount.volume.clone(),
        class: Class::parse(name, &spec).unwrap().into(),
        parameters: spec.parameters.into(),
        version: 0,
    }
}

#[test]
fn pods_become_what_is_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pods");
    let update = std::env::var_os("UPDATE_PODS").is_some();
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let documents: Vec<Value> = serde_yaml::from_multiple(&text).unwrap();
        let after = patched(&documents[0]);
        let name = file.display();
        assert!(patch_of(&after).is_empty(), "{name}: a second pass");
        if update {
            let before = text.split("\n---\n").next().unwrap().trim_end();
            let after = serde_yaml::to_string(&after).unwrap();
            fs::write(&file, format!("{before}\n---\n{after}")).unwrap();
        } else {
            assert_eq!(documents.get(1), Some(&after), "{name}");
        }
    }
}

/// A pod whose container mounts one part of the secrets by itself.
fn with_sub_path(sub_path: &str) -> Value {
    serde_json::json!({
        "metadata": {"name": "web", "annotations": {"aws-secrets-injector.io/secret-provider-class": "db"}},
        "spec": {"containers": [{"name": "web", "image": "web", "volumeMounts": [
            {"name": "aws-secrets-injector", "mountPath": "/etc/one", "subPath": sub_path, "readOnly": true},
        ]}]},
    })
}

#[test]
fn a_mount_of_a_file_that_no_class_makes_is_refused_with_the_files_that_there_are() {
    let after = patched(&with_sub_path("files/db"));
    assert_eq!(
        after["spec"]["containers"][0]["volumeMounts"][0]["subPath"],
        "files/db"
    );
    let error = injected(&with_sub_path("files/password")).unwrap_err();
    let message = error.to_string();
    for words in [
        "container \"web\"",
        "\"files/password\"",
        "the files are files/db",
    ] {
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_mount_by_an_expression_is_refused_with_what_to_write() {
    let mut pod = with_sub_path("");
    let mount = &mut pod["spec"]["containers"][0]["volumeMounts"][0];
    mount["subPathExpr"] = "files/$(POD_NAME)".into();
    mount.as_object_mut().unwrap().remove("subPath");
    let message = injected(&pod).unwrap_err().to_string();
    assert_eq!(
        message,
        "container \"web\" mounts \"files/$(POD_NAME)\" of the volume \"aws-secrets-injector\" by subPathExpr, but the webhook cannot check that such a file exists: use subPath: files for all files, or subPath: files/NAME for one"
    );
}

/// OpenShift assigns one user to all containers that name none, also to injected ones.
#[test]
fn on_openshift_a_pod_that_names_no_user_gets_no_user_of_ours() {
    let openshift = |pod: &Value| injected_by(pod, &["--openshift"]).unwrap();
    let pod = with_sub_path("files/db");
    let admitted = openshift(&pod);
    assert_eq!(admitted.warnings, [] as [&str; 0]);
    let mut after = pod.clone();
    json_patch::patch(&mut after, &admitted.patch).unwrap();
    let security = &after["spec"]["initContainers"][0]["securityContext"];
    assert_eq!(
        (
            &security["runAsUser"],
            &security["runAsGroup"],
            &security["runAsNonRoot"]
        ),
        (&Value::Null, &Value::Null, &true.into())
    );
    // The next pass, after OpenShift has assigned it.
    let assigned = serde_json::json!(1_000_660_000);
    after["spec"]["initContainers"][0]["securityContext"]["runAsUser"] = assigned.clone();
    after["spec"]["containers"][0]["securityContext"] = serde_json::json!({"runAsUser": assigned});
    let again = openshift(&after);
    json_patch::patch(&mut after, &again.patch).unwrap();
    assert_eq!(
        after["spec"]["initContainers"][0]["securityContext"]["runAsUser"],
        assigned
    );
    assert!(openshift(&after).patch.is_empty());
    // What the pod names stays.
    for (field, name, user, group) in [
        ("runAsUser", "run-as-user", Some(7), 7),
        ("runAsGroup", "run-as-group", None, 7),
    ] {
        let mut named = pod.clone();
        named["spec"]["securityContext"] = serde_json::json!({field: 7});
        let mut annotated = pod.clone();
        annotated["metadata"]["annotations"][format!("aws-secrets-injector.io/{name}")] =
            "7".into();
        for pod in [&mut named, &mut annotated] {
            json_patch::patch(pod, &openshift(pod).patch).unwrap();
            let security = &pod["spec"]["initContainers"][0]["securityContext"];
            assert_eq!(security["runAsUser"].as_i64(), user);
            assert_eq!(security["runAsGroup"], group);
        }
    }
}
