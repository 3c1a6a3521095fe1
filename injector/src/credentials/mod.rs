//! From the pod's own token to credentials of its role. This program has no other source of credentials, so a misconfigured
//! pod gets an error and not the permissions of its node.

mod assume_role;
mod pod_identity;
pub(crate) mod token;
mod web_identity;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use provider_class::{AssumeRole, Region};
use tokio::sync::OnceCell;

use crate::aws::{Clients, Deadline, Failure};

/// Whose credentials a class uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Web identity or Pod Identity.
    pub source: provider_class::Credentials,
    /// A role to assume with them.
    pub assume_role: Option<AssumeRole>,
}

/// Credentials that expire sooner than this are not reused: they must outlive the round.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// Credentials between rounds.
#[derive(Debug, Default)]
pub struct CredentialCache(HashMap<(Region, Identity), Credentials>);

type Slot = Arc<OnceCell<Result<Credentials, Failure>>>;

/// The credentials of one round of fetching. Each identity's are requested once, when they are first needed.
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

    /// A store with those credentials of an earlier round that last for another one. Credentials without an expiry do not.
    pub fn with(
        clients: Clients,
        deadline: Deadline,
        cache: CredentialCache,
        now: SystemTime,
    ) -> Self {
        let mut slots: HashMap<(Region, Identity), Slot> = HashMap::new();
        for (key, credentials) in cache.0 {
            let expiry = credentials.expiry();
            if expiry.is_some_and(|expiry| expiry > now + RENEW_BEFORE) {
                slots.insert(key, Arc::new(OnceCell::from(Ok(credentials))));
            }
        }
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
        let mut cache = CredentialCache::default();
        for (key, slot) in slots {
            if let Some(Ok(credentials)) = slot.get() {
                cache.0.insert(key, credentials.clone());
            }
        }
        cache
    }

    /// Credentials from a region's own STS.
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

    /// Credentials that were fetched already, from any region's STS.
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

    /// The clients that use the credentials.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }
}
