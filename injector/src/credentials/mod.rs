//! From the pod's own token to credentials of its role. There is no other way to credentials in this program, so that a
//! misconfigured pod gets an error and not the permissions of its node.

mod assume_role;
mod pod_identity;
mod web_identity;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use provider_class::{AssumeRole, Region};
use tokio::sync::OnceCell;

use crate::aws::{Clients, Deadline, Failure};

/// Whose credentials: what a class says of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Web identity or Pod Identity.
    pub source: provider_class::Credentials,
    /// A role to assume with them.
    pub assume_role: Option<AssumeRole>,
}

/// Credentials that expire sooner than this are not used for another round: a round must not outlive them.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// Credentials between rounds.
#[derive(Debug, Default)]
pub struct CredentialCache(HashMap<(Region, Identity), Credentials>);

type Slot = Arc<OnceCell<Result<Credentials, Failure>>>;

/// The credentials of one round of fetching: each is asked for once, whoever needs it first.
#[derive(Debug)]
pub struct CredentialStore {
    clients: Clients,
    deadline: Deadline,
    slots: Mutex<HashMap<(Region, Identity), Slot>>,
}

impl CredentialStore {
    /// An empty store.
    pub fn new(clients: Clients, deadline: Deadline) -> Self {
        Self {
            clients,
            deadline,
            slots: Mutex::default(),
        }
    }

    /// A store with the credentials of an earlier round that are good for another one. Those without an expiry are not.
    pub fn with(
        clients: Clients,
        deadline: Deadline,
        cache: CredentialCache,
        now: SystemTime,
    ) -> Self {
        let lasting = |credentials: &Credentials| {
            credentials
                .expiry()
                .is_some_and(|expiry| expiry > now + RENEW_BEFORE)
        };
        let slots = cache.0.into_iter();
        let slots = slots
            .filter(|(_, credentials)| lasting(credentials))
            .map(|(key, credentials)| (key, Arc::new(OnceCell::from(Ok(credentials)))))
            .collect();
        Self {
            clients,
            deadline,
            slots: Mutex::new(slots),
        }
    }

    /// The credentials for the next round.
    pub fn into_cache(self) -> CredentialCache {
        let slots = self
            .slots
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let good = |(key, slot): ((Region, Identity), Slot)| {
            Some((key, slot.get()?.as_ref().ok()?.clone()))
        };
        CredentialCache(slots.into_iter().filter_map(good).collect())
    }

    /// Credentials by way of a region's own STS.
    pub async fn get(
        &self,
        region: &Region,
        identity: &Identity,
        deadline: Deadline,
    ) -> Result<Credentials, Failure> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry((region.clone(), identity.clone())).or_default())
        };
        slot.get_or_init(|| self.exchange(region, identity, deadline))
            .await
            .clone()
    }

    /// Credentials that are there already, from whichever region's STS.
    pub fn any(&self, identity: &Identity) -> Option<Credentials> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mine = slots.iter().filter(|((_, other), _)| other == identity);
        mine.find_map(|(_, slot)| slot.get()?.as_ref().ok().cloned())
    }

    async fn exchange(
        &self,
        region: &Region,
        identity: &Identity,
        deadline: Deadline,
    ) -> Result<Credentials, Failure> {
        let own = match identity.source {
            provider_class::Credentials::WebIdentity => {
                web_identity::exchange(&self.clients, region, deadline).await?
            }
            provider_class::Credentials::PodIdentity(address) => {
                pod_identity::ask(self.clients.environment(), address, deadline).await?
            }
        };
        match &identity.assume_role {
            None => Ok(own),
            Some(role) => assume_role::assume(&self.clients, region, &own, role, deadline).await,
        }
    }

    /// When all of the round must be done.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The clients that the credentials are for.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }
}

/// Reads a token that kubelet projects; the error names the variable that led to the file.
fn read_token(
    variable: &str,
    path: &std::path::Path,
) -> Result<zeroize::Zeroizing<String>, String> {
    let token = std::fs::read_to_string(path).map(zeroize::Zeroizing::new);
    let token = token
        .map_err(|error| format!("the token file {} ({variable}): {error}", path.display()))?;
    if token.trim().is_empty() {
        return Err(format!(
            "the token file {} ({variable}) is empty",
            path.display()
        ));
    }
    Ok(zeroize::Zeroizing::new(token.trim().to_owned()))
}
