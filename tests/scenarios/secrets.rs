//! If secrets cannot be fetched, the pod does not start and reports the reason.

use aws_stand_in::{Fault, Kind, When};
use e2e::images::APP;
use e2e::install::{example_class, example_deployment, service_account};

use crate::world::{Namespace, World};

/// Waits until `kubectl describe pod` contains all these words.
pub(crate) fn wait_for_description(namespace: &Namespace<'_>, pod: &str, words: &[&str]) {
    let what = format!("kubectl describe pod says {words:?}");
    namespace
        .world
        .kubectl
        .wait_until(&what, || {
            let text = namespace.kubectl(&["describe", "pod", pod])?;
            Ok(words.iter().all(|word| text.contains(word)))
        })
        .unwrap_or_else(|error| {
            panic!(
                "{error:#}\n{}",
                namespace
                    .kubectl(&["describe", "pod", pod])
                    .unwrap_or_default()
            )
        });
}

/// The content of the volume, seen from a container that is added to the waiting pod.
fn in_volume(namespace: &Namespace<'_>, pod: &str) -> String {
    let custom = e2e::project::target().join(format!("look-{}.json", namespace.name));
    std::fs::write(
        &custom,
        r#"{"volumeMounts": [{"name": "aws-secrets-injector", "mountPath": "/look"}]}"#,
    )
    .unwrap();
    let custom_flag = format!("--custom={}", custom.display());
    let image = format!("--image={APP}");
    let script = "ls -A /look; echo looked";
    namespace
        .kubectl(&[
            "debug",
            pod,
            &image,
            "--image-pull-policy=IfNotPresent",
            "--container=look",
            "--profile=restricted",
            &custom_flag,
            "--",
            "sh",
            "-c",
            script,
        ])
        .unwrap();
    std::fs::remove_file(&custom).unwrap();
    let logs = || namespace.kubectl(&["logs", pod, "-c", "look"]);
    namespace
        .world
        .kubectl
        .wait_until("the added container has looked", || {
            Ok(logs()?.contains("looked"))
        })
        .unwrap();
    logs().unwrap().replace("looked\n", "")
}

pub(crate) fn missing(world: &World) {
    let namespace = world.namespace("missing-secret");
    let class = example_class("v1").replace("MySecret3", "not-yet-created");
    namespace
        .apply(&[&service_account("web"), &class, &example_deployment()])
        .unwrap();
    let pod = namespace.pod();
    let words = [
        "class \"aws-secrets\": objects[2] \"not-yet-created\"",
        "Secrets Manager in us-east-2: ResourceNotFoundException",
        "create the secret",
    ];
    wait_for_description(&namespace, &pod, &words);
    assert_eq!(in_volume(&namespace, &pod), "", "no file was written");
    world
        .aws
        .seed(|seed| async move { seed.secret("not-yet-created", "late").await.map(drop) })
        .unwrap();
    namespace.wait_for_web();
    assert_eq!(namespace.pod(), pod, "the same pod starts");
    assert_eq!(
        namespace
            .sh("app", "cat /mnt/secrets-store/not-yet-created")
            .unwrap(),
        "late"
    );
}

pub(crate) fn denied(world: &World) {
    let namespace = world.namespace("denied-secret");
    let when = When {
        operation: Some("GetSecretValue".to_owned()),
        object: Some("MySecret4".to_owned()),
        subject: Some(":denied-secret:".to_owned()),
        region: None,
    };
    world.aws.stand_in.fail(Fault {
        when: when.clone(),
        kind: Kind::access_denied(),
        times: None,
    });
    namespace
        .apply(&[
            &service_account("web"),
            &example_class("v1"),
            &example_deployment(),
        ])
        .unwrap();
    let pod = namespace.pod();
    let words = [
        "class \"aws-secrets\": objects[3] \"MySecret4\"",
        "AccessDeniedException",
        "allow secretsmanager:GetSecretValue",
    ];
    wait_for_description(&namespace, &pod, &words);
    assert_eq!(in_volume(&namespace, &pod), "", "no file was written");
    world.aws.stand_in.heal_calls(&when);
    namespace.wait_for_web();
    assert_eq!(namespace.pod(), pod, "the same pod starts");
    assert_eq!(
        namespace
            .sh("second", "cat /mnt/secrets-store/MySecret4")
            .unwrap(),
        "fourth"
    );
}
