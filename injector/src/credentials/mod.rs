//! From the pod's own token to credentials of its role. This program has no other source of credentials, so a misconfigured
//! pod gets an error and not the permissions of its node.

mod pod_identity;
mod sts;
pub(crate) mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use provider_class::{AssumeRole, Region};

use crate::aws::{Clients, Deadline, Failure, Target};
use crate::service::Service;

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

/// What the exchange of one identity in one region gave; locked while it runs.
type Slot = Arc<tokio::sync::Mutex<Option<Exchanged>>>;

#[derive(Debug)]
struct Exchanged {
    result: Result<Credentials, Failure>,
    /// Did it have less time than others may have?
    had_half: bool,
}

impl Exchanged {
    /// Does it hold for a caller with this deadline? A failure to reach STS in half of the time does not hold for one who has
    /// all of it.
    fn holds(&self, deadline: Deadline) -> bool {
        match &self.result {
            Ok(_) => true,
            Err(failure) => failure.is_final() || !self.had_half || deadline.is_half(),
        }
    }
}

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
                let exchanged = Exchanged {
                    result: Ok(credentials),
                    had_half: false,
                };
                slots.insert(key, Arc::new(Some(exchanged).into()));
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
            if let Some(credentials) = fetched(&slot) {
                cache.0.insert(key, credentials);
            }
        }
        cache
    }

    /// Credentials from a region's own STS. Others that need them wait, each until its own deadline.
    pub async fn get(
        &self,
        target: Target<'_>,
        identity: &Identity,
    ) -> Result<Credentials, Failure> {
        let Target {
            region, deadline, ..
        } = target;
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry((region.clone(), identity.clone())).or_default())
        };
        let Some(mut exchanged) = deadline.limit(slot.lock()).await else {
            let missed = deadline.missed(None);
            return Err(match identity.source {
                provider_class::Credentials::WebIdentity => target.failure(Service::Sts, missed),
                provider_class::Credentials::PodIdentity(_) => pod_identity::failure(missed),
            });
        };
        if let Some(exchanged) = exchanged.as_ref().filter(|other| other.holds(deadline)) {
            return exchanged.result.clone();
        }
        let result = exchange(target, identity).await;
        *exchanged = Some(Exchanged {
            result: result.clone(),
            had_half: deadline.is_half(),
        });
        result
    }

    /// Credentials that were fetched already, from any region's STS.
    pub fn any(&self, identity: &Identity) -> Option<Credentials> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mine = slots.iter().filter(|((_, other), _)| other == identity);
        mine.find_map(|(_, slot)| fetched(slot))
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

async fn exchange(target: Target<'_>, identity: &Identity) -> Result<Credentials, Failure> {
    let own = match identity.source {
        provider_class::Credentials::WebIdentity => sts::exchange(target).await?,
        provider_class::Credentials::PodIdentity(address) => {
            pod_identity::ask(target.clients.environment(), address, target.deadline).await?
        }
    };
    match &identity.assume_role {
        None => Ok(own),
        Some(role) => sts::assume(target, &own, role).await,
    }
}

/// The credentials of a slot, once they are there.
fn fetched(slot: &Slot) -> Option<Credentials> {
    let exchanged = slot.try_lock().ok()?;
    exchanged.as_ref()?.result.as_ref().ok().cloned()
}
