//! All answers of one class: from the first region, and from the failover region where the first one failed.

use provider_class::{Plan, Region, Request};

use super::answers::{Answer, Answers, ValueError};
use super::region::{Batch, Sender};
use crate::aws::Deadline;
use crate::versions::{ClassVersions, Version};

/// Fetches what a plan requests, as far as it is not `held`.
pub(super) async fn fetch<'a>(
    plan: &'a Plan,
    held: &ClassVersions,
    sender: &Sender<'_>,
) -> Answers<'a> {
    let whole = sender.store.deadline();
    let mut answers = Answers::none(plan);
    let mut batch = Batch::default();
    for (index, planned) in plan.requests.iter().enumerate() {
        let held = held.get(&planned.key());
        if held.is_some_and(Version::exists) && is_pinned(&planned.request) {
            answers.set(index, Ok(Answer::Unchanged));
        } else {
            batch.add(index, &planned.request, held);
        }
    }
    let deadline = match plan.failover_region {
        Some(_) => whole.half(),
        None => whole,
    };
    for (index, answer) in sender.send(&plan.region, batch, deadline).await {
        answers.set(index, answer);
    }
    if let Some(region) = &plan.failover_region {
        fail_over(&mut answers, held, sender, region, whole).await;
    }
    answers
}

/// A secret's version never changes, so a held one needs no request.
fn is_pinned(request: &Request) -> bool {
    match request {
        Request::Secret(secret) => secret.version.is_some(),
        Request::Parameter(_) | Request::Path(_) => false,
    }
}

/// Sends to the failover region what failed in the first one for a reason that may be the region's own.
async fn fail_over(
    answers: &mut Answers<'_>,
    held: &ClassVersions,
    sender: &Sender<'_>,
    region: &Region,
    deadline: Deadline,
) {
    let mut batch = Batch::default();
    for (index, answered) in answers.iter() {
        let planned = answered.planned;
        let (Some(request), Err(ValueError::One(failure))) = (&planned.failover, &answered.result)
        else {
            continue;
        };
        if !failure.is_final() {
            tracing::warn!(
                "{}: {failure}; trying the failover region {region}",
                planned.request
            );
            batch.add(index, request, held.get(&planned.key()));
        }
    }
    for (index, answer) in sender.send(region, batch, deadline).await {
        answers.set_second(index, answer);
    }
}
