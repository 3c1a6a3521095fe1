//! What happens meanwhile: new values, faults of AWS, killed replicas.

use std::time::Duration;

use aws_stand_in::{Fault, Kind, When};
use e2e::install;
use e2e::stand_in::{ACCOUNT, REGION};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use tokio::time::{Instant, interval};

use super::{MARK, SECRETS, Soak};

/// A step: a fault each, and the others every so many steps.
const STEP: Duration = Duration::from_secs(5);
const STEPS_PER_VALUE: usize = 2;
const STEPS_PER_KILL: usize = 12;

/// Makes trouble until the end.
pub(super) async fn make(soak: &Soak) -> anyhow::Result<()> {
    let aws = &soak.world.aws.stand_in;
    let seed = aws.seed(ACCOUNT, REGION);
    let mut ticks = interval(STEP);
    for index in 0.. {
        ticks.tick().await;
        if Instant::now() >= soak.end {
            break;
        }
        // What is left of the last one would meet later calls, too.
        aws.heal();
        aws.fail(fault());
        soak.add("faults", 1);
        if index % STEPS_PER_VALUE == 0 {
            let secret = SECRETS[index / STEPS_PER_VALUE % SECRETS.len()];
            seed.update_secret(secret, &format!("{MARK}{index}"))
                .await?;
            soak.add("values", 1);
        }
        if index % STEPS_PER_KILL == STEPS_PER_KILL - 1 {
            kill(soak).await?;
            soak.add("calls", aws.calls().len());
            aws.forget();
        }
    }
    Ok(())
}

/// A random fault for some calls.
fn fault() -> Fault {
    let internal = "An error occurred on the server side.";
    let kinds = [
        Kind::throttle(),
        Kind::error(500, "InternalServiceError", internal),
        Kind::error(503, "ServiceUnavailable", "Service is unavailable"),
        Kind::access_denied(),
        Kind::Drop,
        Kind::DropMidBody,
        Kind::Truncate,
        Kind::Late(Duration::from_secs(2)),
        Kind::Page {
            status: 502,
            text: "<html>Bad Gateway</html>".to_owned(),
        },
        Kind::Endless { told: false },
        Kind::Hang,
    ];
    let operations = [
        "AssumeRoleWithWebIdentity",
        "GetSecretValue",
        "DescribeSecret",
    ];
    let any = |count: usize| fastrand::usize(..count);
    Fault {
        when: When::operation(operations[any(operations.len())]),
        kind: kinds[any(kinds.len())].clone(),
        times: Some(1 + any(20)),
    }
}

/// Deletes a replica: half of the time without a grace period, as when its node is lost.
async fn kill(soak: &Soak) -> anyhow::Result<()> {
    let replicas: Api<Pod> = Api::namespaced(soak.client.clone(), install::NAMESPACE);
    let all = replicas.list(&ListParams::default()).await?;
    let mut names: Vec<_> = all.iter().map(ResourceExt::name_any).collect();
    names.retain(|name| *name != soak.kept);
    let params = DeleteParams {
        grace_period_seconds: fastrand::bool().then_some(0),
        ..DeleteParams::default()
    };
    if let Some(name) = fastrand::choice(names) {
        // It may just have ended.
        let killed = replicas.delete(&name, &params).await.is_ok();
        soak.add("kills", usize::from(killed));
    }
    Ok(())
}
