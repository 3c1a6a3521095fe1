//! Pods whose secrets cannot be fetched are refused with the reason, and start by themselves once it is fixed.

use std::fs;

use e2e::install::{example_class, example_deployment, service_account};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::bare::annotated_pod;
use crate::world::World;

pub(crate) fn missing_class(world: &World) {
    let namespace = world.namespace("missing-class");
    namespace
        .apply(&[&service_account("web"), &example_deployment()])
        .unwrap();
    let message = namespace.wait_for_event(&["denied the request"]);
    for words in [
        "SecretProviderClass \"aws-secrets\" not found in namespace \"missing-class\"",
        "create it there",
        "aws-secrets-injector.io/secret-provider-class",
    ] {
        assert!(message.contains(words), "{message}");
    }
    namespace.apply(&[&example_class("v1")]).unwrap();
    namespace.wait_for_web();
}

/// The API server does not call the webhook for such a pod, so the policy refuses it.
pub(crate) fn misspelt_annotation(world: &World) {
    let namespace = world.namespace("misspelt-annotation");
    for (annotation, remedy) in [
        (
            "aws-secrets-injector.io/secret-provider-classes",
            "rename the annotation",
        ),
        (
            "AWS-Secrets-Injector.io/secret-provider-class",
            "rename the annotation",
        ),
        (
            "aws-secret-injector.io/secret-provider-class",
            "rename the annotation",
        ),
        ("aws-secrets-injector.io/object", "rename the annotation"),
        ("aws-secrets-injector.io/secret-objects", "add one of them"),
        (
            "aws-secrets-injector.io/refresh-interval",
            "add one of them",
        ),
    ] {
        let pod = annotated_pod("misspelt")
            .replace("aws-secrets-injector.io/secret-provider-class", annotation);
        let error = namespace.apply(&[&pod]).unwrap_err().to_string();
        for words in [
            annotation,
            "but neither aws-secrets-injector.io/secret-provider-class nor aws-secrets-injector.io/objects",
            remedy,
        ] {
            assert!(error.contains(words), "{error}");
        }
    }
    let other = annotated_pod("other").replace(
        "aws-secrets-injector.io/secret-provider-class",
        "example.com/aws-secrets-injector",
    );
    namespace.apply(&[&other]).unwrap();
}

/// Annotations of a Deployment are not those of its pods, so the webhook is not called for them.
pub(crate) fn annotated_workload(world: &World) {
    let namespace = world.namespace("annotated-workload");
    let annotation = "aws-secrets-injector.io/secret-provider-class=aws-secrets";
    for (kind, path, create) in [
        (
            "deployment",
            "spec.template.metadata.annotations",
            &["--replicas=0"][..],
        ),
        (
            "cronjob",
            "spec.jobTemplate.spec.template.metadata.annotations",
            &["--schedule=0 0 1 1 *"],
        ),
    ] {
        let create = [&["create", kind, "web", "--image=web"], create].concat();
        namespace.kubectl(&create).unwrap();
        let annotate = ["annotate", kind, "web", annotation, "--warnings-as-errors"];
        let warning = namespace.kubectl(&annotate).unwrap_err().to_string();
        let words =
            format!("have no effect, so its pods start without secrets: move them to {path}");
        assert!(warning.contains(&words), "{warning}");
    }
    let metadata = json!({"name": "web", "annotations": {"aws-secrets-injector.io/secret-provider-class": "aws-secrets"}});
    let pods = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}});
    let mut jobs = pods.clone();
    jobs["spec"]["restartPolicy"] = "Never".into();
    for workload in [
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "jobs"}, "spec": {
            "schedule": "0 0 1 1 *",
            "jobTemplate": {"metadata": {"annotations": metadata["annotations"]}, "spec": {"template": jobs}},
        }}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": {
            "selector": {"matchLabels": {"app": "web"}}, "template": pods,
        }}),
        json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": metadata, "spec": {"template": pods}}),
    ] {
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), workload.to_string()).unwrap();
        let file = file.path().display().to_string();
        let apply = ["apply", "--dry-run=server", "--warnings-as-errors", "-f"];
        let warning = namespace
            .kubectl(&[&apply[..], &[&file]].concat())
            .unwrap_err()
            .to_string();
        assert!(
            warning.contains("have no effect, so its pods start without secrets"),
            "{warning}"
        );
    }
    let template = r#"{"spec": {"template": {"metadata": {"annotations": {"aws-secrets-injector.io/secret-provider-class": "aws-secrets"}}}}}"#;
    let patch = [
        "patch",
        "deployment",
        "web",
        "--patch",
        template,
        "--warnings-as-errors",
    ];
    namespace.kubectl(&patch).unwrap();
}

/// The example's class with errors on two lines.
fn bad() -> String {
    example_class("v1")
        .replace(
            "            - path: username\n",
            "            - path: user-name\n",
        )
        .replace(
            "objectType: \"secretsmanager\"\n        objectVersionLabel",
            "objectType: \"ssm\"\n        objectVersionLabel",
        )
}

/// The refusal of [`bad`].
fn names_both_mistakes(message: &str) {
    for words in [
        ":secret:MySecret-00AACC\": jmesPath[0].path (line 3 of objects): \"user-name\" is not a JMESPath expression",
        "write path: '\"user-name\"'",
        "class \"aws-secrets\": objects[3] \"MySecret4\": objectType (line 11 of objects): \"ssm\" is neither",
    ] {
        assert!(message.contains(words), "{message}");
    }
}

pub(crate) fn bad_class_at_apply(world: &World) {
    let namespace = world.namespace("bad-class-at-apply");
    let error = namespace.apply(&[&bad()]).unwrap_err().to_string();
    assert!(
        error.contains("\"classes.aws-secrets-injector.io\" denied the request"),
        "{error}"
    );
    names_both_mistakes(&error);
    let v1alpha1 = bad().replace("/v1\n", "/v1alpha1\n");
    names_both_mistakes(&namespace.apply(&[&v1alpha1]).unwrap_err().to_string());
    let other = bad().replace("provider: aws", "provider: azure");
    namespace.apply(&[&other]).unwrap();
    namespace
        .kubectl(&["delete", "secretproviderclass", "aws-secrets"])
        .unwrap();
    namespace.apply(&[&example_class("v1")]).unwrap();
    // The existing class does not change.
    names_both_mistakes(&namespace.apply(&[&bad()]).unwrap_err().to_string());
}

pub(crate) fn bad_class(world: &World) {
    let namespace = world.namespace_with(
        "bad-class",
        "aws-secrets-injector.io/validate-classes: \"false\"",
    );
    namespace
        .apply(&[&service_account("web"), &bad(), &example_deployment()])
        .unwrap();
    names_both_mistakes(&namespace.wait_for_event(&["denied the request"]));
    namespace.apply(&[&example_class("v1")]).unwrap();
    namespace.wait_for_web();
}

pub(crate) fn no_role(world: &World) {
    let namespace = world.namespace("no-role");
    let without = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\n";
    namespace
        .apply(&[without, &example_class("v1"), &example_deployment()])
        .unwrap();
    let message = namespace.wait_for_event(&["denied the request"]);
    for words in [
        "ServiceAccount \"web\" in namespace \"no-role\"",
        "has no annotation eks.amazonaws.com/role-arn",
        "kubectl annotate serviceaccount -n no-role web eks.amazonaws.com/role-arn=",
    ] {
        assert!(message.contains(words), "{message}");
    }
    namespace.apply(&[&service_account("web")]).unwrap();
    namespace.wait_for_web();
}
