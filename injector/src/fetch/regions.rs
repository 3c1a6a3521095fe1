//! The requests of one class: down to the first region, what failed there to the failover region, and back as one result for
//! each request.

use futures::future::{join_all, join3};
use futures::stream::{self, StreamExt as _};
use provider_class::{Plan, Region, Request, parameter_calls, path_calls};

use super::answers::{Answer, ValueError};
use super::{parameters, paths, secrets};
use crate::aws::{Deadline, Failure, Target};
use crate::credentials::{CredentialStore, Identity};
use crate::versions::{ClassVersions, Version};

/// Secrets that are requested at the same time: HTTP/1.1 takes a connection for each.
pub const SECRETS_AT_ONCE: usize = 50;

/// The result for each request of a plan, in their order.
pub(super) type Results = Vec<Result<Answer, ValueError>>;

/// What one region answered, in any order, each with the index of its request.
type Answers = Vec<(usize, Result<Answer, Failure>)>;

/// A request, the index of its result, and the version that the files hold.
struct Pending<'a> {
    index: usize,
    request: &'a Request,
    held: Option<&'a Version>,
}

/// Fetches what a plan requests, as far as it is not `held`.
pub(super) async fn fetch(
    plan: &Plan,
    held: &ClassVersions,
    store: &CredentialStore,
    identity: &Identity,
) -> Results {
    let whole = store.deadline();
    let mut results = Results::new();
    let mut pending = Vec::new();
    for (index, planned) in plan.requests.iter().enumerate() {
        let held = held.get(&planned.key());
        let request = &planned.request;
        results.push(if held.is_some_and(Version::exists) && is_pinned(request) {
            Ok(Answer::Unchanged)
        } else {
            pending.push(Pending {
                index,
                request,
                held,
            });
            Err(ValueError::default())
        });
    }
    let deadline = match plan.failover_region {
        Some(_) => whole.half(),
        None => whole,
    };
    let answers = ask(&plan.region, pending, store, identity, deadline).await;
    store_answers(&mut results, answers);
    let Some(region) = &plan.failover_region else {
        return results;
    };
    let mut pending = Vec::new();
    for (index, planned) in plan.requests.iter().enumerate() {
        if let (Some(request), Err(error)) = (&planned.failover, &results[index])
            && error.may_fail_over()
        {
            let asked = &planned.request;
            tracing::warn!("{asked}: {error}; trying the failover region {region}");
            pending.push(Pending {
                index,
                request,
                held: held.get(&planned.key()),
            });
        }
    }
    let answers = ask(region, pending, store, identity, whole).await;
    store_answers(&mut results, answers);
    results
}

/// A secret's version never changes, so a held one needs no request.
fn is_pinned(request: &Request) -> bool {
    matches!(request, Request::Secret(secret) if secret.version.is_some())
}

/// Stores each answer at the index of its own request, so one that is missing or comes twice affects no other request. If both
/// regions failed, both failures are kept.
fn store_answers(results: &mut Results, answers: Answers) {
    for (index, answer) in answers {
        if let Some(result) = results.get_mut(index) {
            let before = result.as_ref().err().cloned().unwrap_or_default();
            *result = answer.map_err(|failure| {
                let failures = before.0.into_iter().chain([failure]);
                ValueError(failures.collect())
            });
        }
    }
}

/// Asks one region: credentials first, then all secrets and all calls for parameters at the same time.
async fn ask(
    region: &Region,
    pending: Vec<Pending<'_>>,
    store: &CredentialStore,
    identity: &Identity,
    deadline: Deadline,
) -> Answers {
    if pending.is_empty() {
        return Vec::new();
    }
    let (mut secrets, mut parameters, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    for Pending {
        index,
        request,
        held,
    } in &pending
    {
        match request {
            Request::Secret(request) => secrets.push((*index, request, *held)),
            Request::Parameter(request) => parameters.push((*index, request)),
            Request::Path(request) => paths.push((*index, request)),
        }
    }
    let parameters = parameter_calls(parameters);
    let paths = path_calls(paths);
    let clients = store.clients();
    let target = Target {
        clients,
        region,
        deadline,
    };
    let credentials = if let Some(credentials) = store.any(identity) {
        credentials
    } else {
        let secrets = secrets.len().min(SECRETS_AT_ONCE);
        let calls = parameters.len() + paths.len();
        clients.connect_ahead(region, secrets, calls).await;
        match store.get(target, identity).await {
            Ok(credentials) => credentials,
            Err(failure) => {
                let failed = |pending: Pending| (pending.index, Err(failure.clone()));
                return pending.into_iter().map(failed).collect();
            }
        }
    };
    let client = &clients.secrets_manager(region, &credentials);
    let secrets = stream::iter(secrets)
        .map(async |(index, request, held)| {
            let answer = secrets::fetch(target, client, request, held).await;
            (index, answer)
        })
        .buffer_unordered(SECRETS_AT_ONCE)
        .collect::<Vec<_>>();
    let client = &clients.ssm(region, &credentials);
    let parameters = parameters.into_iter();
    let parameters = join_all(parameters.map(|call| parameters::fetch(target, client, call)));
    let paths = paths.into_iter();
    let paths = join_all(paths.map(|call| paths::fetch(target, client, call)));
    let (secrets, parameters, paths) = join3(secrets, parameters, paths).await;
    let calls = parameters.into_iter().chain(paths).flatten();
    secrets.into_iter().chain(calls).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(text: &str) -> Answer {
        let region = "us-east-2".parse().unwrap();
        Answer::one(Vec::new(), Version::new(region, text.to_owned(), None))
    }

    fn failure(reason: &str) -> Failure {
        Failure::setup(crate::service::Service::Sts, reason)
    }

    /// What each request got.
    fn shown(results: &Results) -> Vec<String> {
        let shown = |result: &Result<Answer, ValueError>| match result {
            Ok(Answer::Fetched { version, .. }) => version.id.clone().unwrap_or_default(),
            Ok(Answer::Unchanged) => "unchanged".to_owned(),
            Err(error) => error.to_string(),
        };
        results.iter().map(shown).collect()
    }

    fn unanswered() -> Results {
        (0..3).map(|_| Err(ValueError::default())).collect()
    }

    #[test]
    fn a_missing_and_a_doubled_answer_shift_no_value_to_another_request() {
        let mut results = unanswered();
        let answers = [(2, "c"), (0, "a"), (0, "a again"), (7, "of no request")];
        let answers = answers.map(|(index, text)| (index, Ok(fetched(text))));
        store_answers(&mut results, answers.into());
        let missing = "an internal error: no answer was recorded; please report it";
        assert_eq!(shown(&results), ["a again", missing, "c"]);
    }

    #[test]
    fn the_second_region_answers_in_place_of_the_first() {
        let mut results = unanswered();
        let first = (0..3).map(|index| (index, Err(failure("one"))));
        store_answers(&mut results, first.collect());
        let second = vec![(1, Ok(fetched("b"))), (2, Err(failure("two")))];
        store_answers(&mut results, second);
        let both = "STS: one; and in the failover region: STS: two";
        assert_eq!(shown(&results), ["STS: one", "b", both]);
    }
}
