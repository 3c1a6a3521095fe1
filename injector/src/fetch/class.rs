//! All values of one class, from the first region or the second.

use std::collections::BTreeSet;

use futures::future::{join, join_all};
use futures::stream::{self, StreamExt as _};
use provider_class::{Class, Plan, Region, Request};
use zeroize::Zeroizing;

use super::{ClassFiles, ValueError, parameters, secrets};
use crate::aws::{Deadline, Failure};
use crate::credentials::{CredentialStore, Identity};
use crate::versions::ClassVersions;

/// What there is for a request.
pub(super) enum Answer {
    /// The version that is known already.
    Unchanged,
    /// A value, zeroized when dropped, and its version where that can be told without fetching.
    Value(Zeroizing<Vec<u8>>, Option<String>),
}

/// A request of the plan, with its index there.
pub(super) type Indexed<'a> = (usize, &'a Request);

/// Secrets asked for at the same time: HTTP/1.1 takes a connection for each.
const SECRETS_AT_ONCE: usize = 24;

/// Where requests are sent, and how they are signed there.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) region: &'a Region,
    pub(super) credentials: &'a aws_credential_types::Credentials,
    pub(super) store: &'a CredentialStore,
    pub(super) deadline: Deadline,
}

/// Fetches a class and makes the contents of its files, but for the objects whose wanted version is known; the errors are a
/// line for each object.
pub(super) async fn fetch(
    class: &Class,
    plan: &Plan,
    store: &CredentialStore,
    known: &ClassVersions,
) -> Result<ClassFiles, BTreeSet<String>> {
    let identity = Identity {
        source: class.credentials,
        assume_role: class.assume_role.clone(),
    };
    let answers = Fetcher {
        plan,
        identity: &identity,
        store,
        known,
    }
    .answers()
    .await;
    let mut files = ClassFiles::default();
    let mut errors = BTreeSet::new();
    for (planned, answer) in plan.requests.iter().zip(answers) {
        let name = planned.request.to_string();
        let (value, version) = match &answer {
            Ok(Answer::Value(value, version)) => (Ok(value), version.clone()),
            Ok(Answer::Unchanged) => {
                files.versions.extend(
                    known
                        .get_key_value(&name)
                        .map(|(name, version)| (name.clone(), version.clone())),
                );
                continue;
            }
            Err(error) => (Err(error), None),
        };
        for object in planned.objects.iter().map(|index| &class.objects[*index]) {
            match value {
                Ok(value) => match object.contents(value) {
                    Ok(contents) => files.contents.extend(contents),
                    Err(problems) => errors.extend(problems.iter().map(ToString::to_string)),
                },
                // Without credentials all objects fail alike: once is enough.
                Err(error) if error.is_about_credentials() => {
                    errors.insert(error.to_string());
                }
                Err(error) => {
                    errors.insert(format!("objects[{}] {name:?}: {error}", object.index));
                }
            }
        }
        files
            .versions
            .extend(version.map(|version| (name, version)));
    }
    if errors.is_empty() {
        Ok(files)
    } else {
        Err(errors)
    }
}

struct Fetcher<'a> {
    plan: &'a Plan,
    identity: &'a Identity,
    store: &'a CredentialStore,
    known: &'a ClassVersions,
}

impl Fetcher<'_> {
    /// An answer or an error for each request of the plan.
    async fn answers(&self) -> Vec<Result<Answer, ValueError>> {
        let whole = self.store.deadline();
        let deadline = if self.plan.failover_region.is_some() {
            whole.half()
        } else {
            whole
        };
        let all: Vec<Indexed> = self
            .plan
            .requests
            .iter()
            .map(|planned| &planned.request)
            .enumerate()
            .filter(|(_, request)| {
                !(request.is_pinned() && self.known.contains_key(&request.to_string()))
            })
            .collect();
        // What is pinned and known is not asked for.
        let unchanged = |_| Ok(Answer::Unchanged);
        let mut values: Vec<_> = self.plan.requests.iter().map(unchanged).collect();
        for (index, answer) in self.ask(&self.plan.region, &all, deadline).await {
            values[index] = answer.map_err(ValueError::One);
        }
        if let Some(region) = &self.plan.failover_region {
            self.fail_over(&mut values, region, whole).await;
        }
        values
    }

    /// Asks the second region for what the first could not give.
    async fn fail_over(
        &self,
        values: &mut [Result<Answer, ValueError>],
        region: &Region,
        deadline: Deadline,
    ) {
        let mut wanted: Vec<Indexed> = Vec::new();
        for (index, (planned, value)) in self.plan.requests.iter().zip(values.iter()).enumerate() {
            let (Some(request), Err(ValueError::One(failure))) = (&planned.failover, value) else {
                continue;
            };
            if !failure.is_final() {
                tracing::warn!(
                    "{}: {failure}; asking the failover region {region}",
                    planned.request
                );
                wanted.push((index, request));
            }
        }
        for (index, answer) in self.ask(region, &wanted, deadline).await {
            let first = std::mem::replace(&mut values[index], Ok(Answer::Unchanged));
            values[index] = match (first, answer) {
                (Err(ValueError::One(first)), Err(second)) => {
                    Err(ValueError::Both(Box::new([first, second])))
                }
                (_, answer) => answer.map_err(ValueError::One),
            };
        }
    }

    /// Sends requests to a region: an answer for each, in any order.
    async fn ask(
        &self,
        region: &Region,
        wanted: &[Indexed<'_>],
        deadline: Deadline,
    ) -> Vec<(usize, Result<Answer, Failure>)> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let credentials = match self.store.any(self.identity) {
            Some(credentials) => Ok(credentials),
            None => self.store.get(region, self.identity, deadline).await,
        };
        let credentials = match credentials {
            Ok(credentials) => credentials,
            Err(failure) => {
                return wanted
                    .iter()
                    .map(|(index, _)| (*index, Err(failure.clone())))
                    .collect();
            }
        };
        let target = Target {
            region,
            credentials: &credentials,
            store: self.store,
            deadline,
        };
        let secrets = wanted
            .iter()
            .filter(|(_, request)| matches!(request, Request::Secret { .. }));
        let secrets = stream::iter(secrets)
            .map(|(index, request)| async move {
                let known = self.known.get(&request.to_string());
                (*index, secrets::fetch(target, request, known).await)
            })
            .buffer_unordered(SECRETS_AT_ONCE)
            .collect::<Vec<_>>();
        let calls: Vec<Vec<Indexed>> = self
            .plan
            .parameter_calls()
            .iter()
            .map(|call| {
                wanted
                    .iter()
                    .filter(|(index, _)| call.contains(index))
                    .copied()
                    .collect()
            })
            .collect();
        let parameters = join_all(calls.iter().map(|call| parameters::fetch(target, call)));
        let (mut answers, parameters) = join(secrets, parameters).await;
        answers.extend(parameters.into_iter().flatten());
        answers
    }
}
