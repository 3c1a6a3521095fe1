//! The example from the AWS documentation, from the annotation to six files.

use e2e::install::{EXAMPLE_FILES, example_class, example_deployment, service_account};

use crate::world::{Namespace, World};

const MOUNT: &str = "/mnt/secrets-store";

/// Applies the example and waits until its app is running.
fn start<'a>(world: &'a World, namespace: &str, version: &str) -> Namespace<'a> {
    let namespace = world.namespace(namespace);
    namespace
        .apply(&[
            &service_account("web"),
            &example_class(version),
            &example_deployment(),
        ])
        .unwrap();
    namespace.wait_for_web();
    namespace
}

fn makes_six_files(namespace: &Namespace<'_>) {
    for container in ["app", "second"] {
        let listed = namespace.sh(container, &format!("ls {MOUNT}")).unwrap();
        let names: Vec<_> = EXAMPLE_FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed.lines().collect::<Vec<_>>(), names, "in {container}");
        for (name, contents) in EXAMPLE_FILES {
            assert_eq!(
                namespace
                    .sh(container, &format!("cat '{MOUNT}/{name}'"))
                    .unwrap(),
                contents,
                "{name} in {container}"
            );
        }
        assert_eq!(
            namespace
                .sh(container, &format!("stat -f -c %T {MOUNT}"))
                .unwrap()
                .trim(),
            "tmpfs"
        );
        let error = namespace
            .sh(container, &format!("touch {MOUNT}/new"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("Read-only file system"), "{error}");
    }
}

pub(crate) fn v1alpha1(world: &World) {
    makes_six_files(&start(world, "example-v1alpha1", "v1alpha1"));
}

pub(crate) fn v1(world: &World) {
    makes_six_files(&start(world, "example-v1", "v1"));
}

pub(crate) fn token(world: &World) {
    let namespace = start(world, "example-token", "v1");
    let calls = namespace.calls();
    let sts: Vec<_> = calls
        .iter()
        .filter(|call| call.operation == "AssumeRoleWithWebIdentity")
        .collect();
    assert_eq!(sts.len(), 1, "{calls:?}");
    assert_eq!(sts[0].audiences, ["sts.amazonaws.com"]);
    assert!(sts[0].expires.is_some(), "a token of the pod's own expires");
    assert_eq!(
        sts[0].caller.subject.as_deref(),
        Some("system:serviceaccount:example-token:web")
    );
    assert_eq!(
        sts[0].role.as_deref(),
        Some("arn:aws:iam::111122223333:role/web")
    );
    let pod = namespace.pod();
    assert_eq!(
        sts[0].session.as_deref(),
        Some(format!("example-token.{pod}").as_str())
    );

    let spec = &namespace.get(&["pod", &pod])["spec"];
    let with_token = |list: &str| {
        let containers = spec[list].as_array().into_iter().flatten();
        let mounts = |container: &&serde_json::Value| {
            container["volumeMounts"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|mount| mount["name"] == "aws-secrets-injector-token")
        };
        containers
            .filter(mounts)
            .map(|container| container["name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(with_token("initContainers"), ["aws-secrets-injector"]);
    assert_eq!(with_token("containers"), [] as [&str; 0]);
    for container in ["app", "second"] {
        assert!(
            namespace
                .sh(container, "ls /var/run/secrets/aws-secrets-injector")
                .is_err()
        );
    }
}

pub(crate) fn calls(world: &World) {
    let namespace = start(world, "example-calls", "v1");
    let mut calls: Vec<_> = namespace
        .calls()
        .into_iter()
        .map(|call| (call.operation, call.region, call.objects.concat()))
        .collect();
    calls.sort();
    let get = |object: &str| {
        (
            "GetSecretValue".to_owned(),
            Some("us-east-2".to_owned()),
            object.to_owned(),
        )
    };
    assert_eq!(
        calls,
        [
            ("AssumeRoleWithWebIdentity".to_owned(), None, String::new()),
            get("MySecret3"),
            get("MySecret4"),
            get("arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC"),
            get("arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret2-00AABB"),
        ]
    );

    let status = &namespace.get(&["pod", &namespace.pod()])["status"];
    let ended = &status["initContainerStatuses"][0]["state"]["terminated"];
    let message = ended["message"].as_str().unwrap_or_default();
    let lines: Vec<Vec<_>> = message
        .lines()
        .map(|line| line.split(' ').collect())
        .collect();
    let objects: Vec<_> = lines.iter().map(|line| line[1]).collect();
    let asked: Vec<_> = calls[1..].iter().map(|call| call.2.as_str()).collect();
    assert_eq!(sorted(objects), asked, "{message}");
    for line in &lines {
        assert_eq!(
            (line[0], line[2].len()),
            ("secretsmanager", 36),
            "{message}"
        );
    }
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}
