//! What happens meanwhile: new values, faults of AWS, killed replicas.

use std::sync::Arc;
use std::time::Duration;

use aws_stand_in::{Fault, Kind, When};
use e2e::install;
use e2e::stand_in::{ACCOUNT, REGION};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, interval};

use super::stage::{MARK, SECRETS, Stage};

/// A step: a fault each, and the others every so many steps.
const STEP: Duration = Duration::from_secs(5);
const STEPS_PER_VALUE: usize = 2;
const STEPS_PER_KILL: usize = 12;

/// What was done.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) values: usize,
    pub(super) faults: usize,
    pub(super) kills: usize,
    /// Calls to AWS.
    pub(super) calls: usize,
}

/// Makes trouble until the end.
pub(super) async fn make(stage: Arc<Stage>, client: Client, end: Instant) -> anyhow::Result<Made> {
    let replicas: Api<Pod> = Api::namespaced(client, install::NAMESPACE);
    let seed = stage.aws.stand_in.seed(ACCOUNT, REGION);
    let mut made = Made::default();
    let mut ticks = interval(STEP);
    for index in 0.. {
        ticks.tick().await;
        if Instant::now() >= end {
            break;
        }
        // What is left of the last one would meet later calls, too.
        stage.aws.stand_in.heal();
        stage.aws.stand_in.fail(fault());
        made.faults += 1;
        if index % STEPS_PER_VALUE == 0 {
            let secret = SECRETS[made.values % SECRETS.len()];
            let value = format!("{MARK}{index}");
            seed.update_secret(secret, &value).await?;
            made.values += 1;
        }
        if index % STEPS_PER_KILL == STEPS_PER_KILL - 1 {
            made.kills += usize::from(kill(&replicas, &stage.kept).await?);
            made.calls += stage.aws.stand_in.calls().len();
            stage.aws.stand_in.forget();
        }
    }
    Ok(made)
}

/// A random fault for some calls.
fn fault() -> Fault {
    let kinds = [
        Kind::throttle(),
        Kind::error(
            500,
            "InternalServiceError",
            "An error occurred on the server side.",
        ),
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
async fn kill(replicas: &Api<Pod>, kept: &str) -> anyhow::Result<bool> {
    let all = replicas.list(&ListParams::default()).await?;
    let mut names: Vec<_> = all.iter().map(ResourceExt::name_any).collect();
    names.retain(|name| name != kept);
    let Some(name) = fastrand::choice(names) else {
        return Ok(false);
    };
    let gently = DeleteParams::default();
    let params = if fastrand::bool() {
        gently.grace_period(0)
    } else {
        gently
    };
    // It may just have ended.
    Ok(replicas.delete(&name, &params).await.is_ok())
}
