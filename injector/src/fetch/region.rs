//! Requests to one region: credentials first, then all secrets and all calls for parameters at the same time.

use futures::future::{join_all, join3};
use futures::stream::{self, StreamExt as _};
use provider_class::{
    ParameterRequest, PathRequest, Region, Request, SecretRequest, parameter_calls, path_calls,
};

use super::answers::Answer;
use super::target::Target;
use super::{parameters, paths, secrets};
use crate::aws::{Deadline, Failure};
use crate::credentials::{CredentialStore, Identity};
use crate::versions::Version;

/// Secrets that are requested at the same time: HTTP/1.1 takes a connection for each.
pub const SECRETS_AT_ONCE: usize = 50;

/// Requests for one region, each with the index of its planned request.
#[derive(Default)]
pub(super) struct Batch<'a> {
    secrets: Vec<PendingSecret<'a>>,
    parameters: Vec<(usize, &'a ParameterRequest)>,
    paths: Vec<(usize, &'a PathRequest)>,
}

struct PendingSecret<'a> {
    index: usize,
    request: &'a SecretRequest,
    /// The version that the files hold.
    held: Option<&'a Version>,
}

impl<'a> Batch<'a> {
    /// Adds a request. `held` is the version that the files hold.
    pub(super) fn add(&mut self, index: usize, request: &'a Request, held: Option<&'a Version>) {
        match request {
            Request::Secret(request) => self.secrets.push(PendingSecret {
                index,
                request,
                held,
            }),
            Request::Parameter(request) => self.parameters.push((index, request)),
            Request::Path(request) => self.paths.push((index, request)),
        }
    }

    fn indexes(&self) -> impl Iterator<Item = usize> {
        let secrets = self.secrets.iter().map(|secret| secret.index);
        let parameters = self.parameters.iter().map(|(index, _)| *index);
        let paths = self.paths.iter().map(|(index, _)| *index);
        secrets.chain(parameters).chain(paths)
    }
}

/// Sends batches with the credentials of one identity.
pub(super) struct Sender<'a> {
    pub(super) store: &'a CredentialStore,
    pub(super) identity: &'a Identity,
}

impl Sender<'_> {
    /// Sends a batch to a region. The answers come in any order, each with the index of its request.
    pub(super) async fn send(
        &self,
        region: &Region,
        batch: Batch<'_>,
        deadline: Deadline,
    ) -> Vec<(usize, Result<Answer, Failure>)> {
        if batch.indexes().next().is_none() {
            return Vec::new();
        }
        let clients = self.store.clients();
        // The failover region's parameters may have other names than the first one's, so calls are made up here.
        let calls = parameter_calls(batch.parameters.iter().copied());
        let paths = path_calls(batch.paths.iter().copied());
        let credentials = if let Some(credentials) = self.store.any(self.identity) {
            credentials
        } else {
            let secrets = batch.secrets.len().min(SECRETS_AT_ONCE);
            let parameters = calls.len() + paths.len();
            clients.connect_ahead(region, secrets, parameters).await;
            match self.store.get(region, self.identity, deadline).await {
                Ok(credentials) => credentials,
                Err(failure) => {
                    let indexes = batch.indexes();
                    return indexes.map(|index| (index, Err(failure.clone()))).collect();
                }
            }
        };
        let target = Target {
            clients,
            region,
            secrets_manager: &clients.secrets_manager(region, &credentials),
            ssm: &clients.ssm(region, &credentials),
            deadline,
        };
        let secrets = stream::iter(&batch.secrets)
            .map(
                |PendingSecret {
                     index,
                     request,
                     held,
                 }| async move {
                    (*index, secrets::fetch(target, request, *held).await)
                },
            )
            .buffer_unordered(SECRETS_AT_ONCE)
            .collect::<Vec<_>>();
        let parameters = join_all(
            calls
                .into_iter()
                .map(|call| parameters::fetch(target, call)),
        );
        let paths = join_all(paths.into_iter().map(|call| paths::fetch(target, call)));
        let (mut answers, parameters, paths) = join3(secrets, parameters, paths).await;
        answers.extend(parameters.into_iter().flatten());
        answers.extend(paths.into_iter().flatten());
        answers
    }
}
