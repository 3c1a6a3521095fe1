//! All values of one class, from the first region or the second.

use std::collections::BTreeSet;

use futures::future::{join, join_all};
use futures::stream::{self, StreamExt as _};
use provider_class::{Class, FileContents, Plan, Region, Request};
use zeroize::Zeroizing;

use super::{ValueError, parameters, secrets};
use crate::aws::{Deadline, Failure};
use crate::credentials::{CredentialStore, Identity};
use crate::versions::{ClassVersions, Version};

/// A fetched value; zeroized when dropped.
pub(super) type Value = Zeroizing<Vec<u8>>;

/// What AWS says to a request.
pub(super) enum Answer {
    /// The version that is held is still the wanted one.
    Same,
    /// A value, which may be the one that is held.
    New {
        /// The value.
        value: Value,
        /// Which one it is.
        version: Version,
    },
}

/// A class as AWS has it.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Contents of the files whose objects were asked for their values.
    pub(crate) files: Vec<FileContents>,
    /// The version of every object.
    pub(crate) versions: ClassVersions,
}

/// A class that could not be had.
#[derive(Debug)]
pub(crate) struct Failed {
    /// A line for each object.
    pub(crate) lines: BTreeSet<String>,
    /// Did a service refuse? Then other credentials may do better.
    pub(crate) refused: bool,
}

/// A request of the plan, with its index there.
pub(super) type Indexed<'a> = (usize, &'a Request);

/// Secrets asked for at the same time: HTTP/1.1 takes a connection for each.
const SECRETS_AT_ONCE: usize = 50;

/// Where requests are sent, and how they are signed there.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) region: &'a Region,
    pub(super) secrets_manager: &'a aws_sdk_secretsmanager::Client,
    pub(super) ssm: &'a aws_sdk_ssm::Client,
    pub(super) deadline: Deadline,
}

/// Fetches what is not held of a class, and makes the contents of its files.
pub(crate) async fn fetch(
    class: &Class,
    plan: &Plan,
    store: &CredentialStore,
    held: &ClassVersions,
) -> Result<Fetched, Failed> {
    let identity = Identity {
        source: class.credentials,
        assume_role: class.assume_role.clone(),
    };
    let values = Fetcher {
        plan,
        identity: &identity,
        store,
        held,
    }
    .values()
    .await;
    let mut fetched = Fetched::default();
    let mut errors = BTreeSet::new();
    let refused = values
        .iter()
        .filter_map(|value| value.as_ref().err())
        .any(ValueError::is_refused);
    for (planned, value) in plan.requests.iter().zip(values) {
        let request = planned.request.to_string();
        let version = match &value {
            Ok(Answer::New { version, .. }) => Some(version),
            Ok(Answer::Same) => held.get(&request),
            Err(_) => None,
        };
        if let Some(version) = version {
            fetched.versions.insert(request.clone(), version.clone());
        }
        for object in planned.objects.iter().map(|index| &class.objects[*index]) {
            match &value {
                Ok(Answer::Same) => {}
                Ok(Answer::New { value, .. }) => match object.contents(value) {
                    Ok(contents) => fetched.files.extend(contents),
                    Err(problems) => errors.extend(problems.iter().map(ToString::to_string)),
                },
                // Without credentials all objects fail alike: once is enough.
                Err(error) if error.is_about_credentials() => {
                    errors.insert(error.to_string());
                }
                Err(error) => {
                    errors.insert(format!("objects[{}] {request:?}: {error}", object.index));
                }
            }
        }
    }
    if errors.is_empty() {
        Ok(fetched)
    } else {
        Err(Failed {
            lines: errors,
            refused,
        })
    }
}

struct Fetcher<'a> {
    plan: &'a Plan,
    identity: &'a Identity,
    store: &'a CredentialStore,
    held: &'a ClassVersions,
}

impl Fetcher<'_> {
    /// A value or an error for each request of the plan.
    async fn values(&self) -> Vec<Result<Answer, ValueError>> {
        let whole = self.store.deadline();
        let deadline = if self.plan.failover_region.is_some() {
            whole.half()
        } else {
            whole
        };
        let requests = self.plan.requests.iter().map(|planned| &planned.request);
        let (settled, asked): (Vec<Indexed>, Vec<Indexed>) = requests
            .enumerate()
            .partition(|(_, request)| self.is_settled(request));
        let mut answers = self.ask(&self.plan.region, &asked, deadline).await;
        answers.extend(settled.iter().map(|(index, _)| (*index, Ok(Answer::Same))));
        answers.sort_unstable_by_key(|(index, _)| *index);
        let first = |(_, answer): (usize, Result<Answer, Failure>)| answer.map_err(ValueError::One);
        let mut values: Vec<_> = answers.into_iter().map(first).collect();
        if let Some(region) = &self.plan.failover_region {
            self.fail_over(&mut values, region, whole).await;
        }
        values
    }

    /// A version that is named by its id never changes: where it is held there is nothing to ask.
    fn is_settled(&self, request: &Request) -> bool {
        matches!(
            request,
            Request::Secret {
                version: Some(_),
                ..
            }
        ) && self.held.contains_key(&request.to_string())
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
            let first = std::mem::replace(&mut values[index], Ok(Answer::Same));
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
        let is_secret = |(_, request): &&Indexed| matches!(request, Request::Secret { .. });
        let calls = self.parameter_calls(wanted);
        let clients = self.store.clients();
        let credentials = if let Some(credentials) = self.store.any(self.identity) {
            Ok(credentials)
        } else {
            let secrets = wanted.iter().filter(is_secret).count();
            clients
                .connect_ahead(region, secrets.min(SECRETS_AT_ONCE), calls.len())
                .await;
            self.store.get(region, self.identity, deadline).await
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
            secrets_manager: &clients.secrets_manager(region, &credentials),
            ssm: &clients.ssm(region, &credentials),
            deadline,
        };
        let secrets = stream::iter(wanted.iter().filter(is_secret))
            .map(|(index, request)| async move {
                // By the request of the plan: the failover region's may have another name.
                let held = self
                    .held
                    .get(&self.plan.requests[*index].request.to_string());
                (*index, secrets::fetch(target, request, held).await)
            })
            .buffer_unordered(SECRETS_AT_ONCE)
            .collect::<Vec<_>>();
        let parameters = join_all(calls.iter().map(|call| parameters::fetch(target, call)));
        let (mut answers, parameters) = join(secrets, parameters).await;
        answers.extend(parameters.into_iter().flatten());
        answers
    }

    /// The wanted parameters, as many in a call as the service takes.
    fn parameter_calls<'a>(&self, wanted: &[Indexed<'a>]) -> Vec<Vec<Indexed<'a>>> {
        let calls = self.plan.parameter_calls();
        let wanted_of = |call: &Vec<usize>| -> Vec<Indexed<'a>> {
            let wanted = wanted.iter().filter(|(index, _)| call.contains(index));
            wanted.copied().collect()
        };
        let calls = calls.iter().map(wanted_of);
        calls.filter(|call| !call.is_empty()).collect()
    }
}
