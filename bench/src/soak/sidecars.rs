//! Pods with a sidecar, which stay for the whole time.

use e2e::images::APP;
use e2e::stand_in::{ACCOUNT, REGION};
use serde_json::{Value, json};

use super::{FILE, MARK, SECRETS, Soak};
use crate::world::World;

/// Their number.
pub(super) const COUNT: usize = 50;

/// Starts them.
pub(super) fn start(world: &World) -> anyhow::Result<()> {
    let mut annotations = world.annotations();
    annotations["aws-secrets-injector.io/refresh-interval"] = "2s".into();
    let labels = json!({"app": "sidecar"});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "sidecar"},
        "spec": {
            "replicas": COUNT,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "app", "image": APP, "imagePullPolicy": "IfNotPresent"}],
                },
            },
        },
    });
    world.apply(&deployment.to_string())?;
    let wait = ["rollout", "status", "--timeout=300s", "deployment/sidecar"];
    let wait = [&["-n", world.name], &wait[..]].concat();
    world.kubectl.run(&wait).map(drop)
}

/// Removes all faults, changes the secrets a last time, and counts the sidecars that do not get the value or that were
/// restarted.
pub(super) async fn last_value(soak: &Soak) -> anyhow::Result<()> {
    let (kubectl, aws) = (&soak.world.kubectl, &soak.world.aws.stand_in);
    aws.heal();
    let value = format!("{MARK}last");
    let seed = aws.seed(ACCOUNT, REGION);
    for secret in SECRETS {
        seed.update_secret(secret, &value).await?;
    }
    let of_ours = ["-n", soak.world.name];
    let pods = kubectl.get(&[&of_ours[..], &["pods", "-l", "app=sidecar"]].concat())?;
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    let mut stuck = COUNT.saturating_sub(pods.len());
    for pod in &pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let read = ["exec", name, "-c", "app", "--", "cat", FILE];
        let read = [&of_ours[..], &read].concat();
        let gets_it = kubectl.wait_until("the pod has the last value", || {
            Ok(kubectl.run(&read).is_ok_and(|text| text == value))
        });
        stuck += usize::from(gets_it.is_err() || was_restarted(pod));
    }
    soak.add("stuck sidecars", stuck);
    Ok(())
}

fn was_restarted(pod: &Value) -> bool {
    let lists = ["initContainerStatuses", "containerStatuses"].map(|list| &pod["status"][list]);
    let mut containers = lists.iter().filter_map(|list| list.as_array()).flatten();
    containers.any(|container| container["restartCount"] != 0)
}
