//! The loop that keeps certificates right: reads the Secret, renews what is due, shows the certificate, publishes the
//! `caBundle`; again whenever one of them changes, and at least every [`INTERVAL`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};

use crate::{
    Action, ApiError, Configuration, Identity, IssueError, Lifetimes, Resolver, decide, issue_all,
    issue_serving, secret,
};

/// The longest time between two looks at the certificates.
pub const INTERVAL: Duration = Duration::from_mins(1);

/// After a failure the next try comes after this time.
const RETRY: Duration = Duration::from_secs(5);

/// Tries against other replicas that write at the same moment.
const CONFLICTS: u32 = 20;

/// Keeps the certificates of one webhook.
pub struct Keeper {
    /// For the API server.
    pub client: Client,
    /// Where the Secret is.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// DNS names of the server, as the API server calls it.
    pub names: Vec<String>,
    /// What gets the `caBundle`.
    pub configurations: Vec<Configuration>,
    /// How long certificates hold.
    pub lifetimes: Lifetimes,
    /// What the server shows.
    pub resolver: Arc<Resolver>,
}

/// Why the certificates could not be kept right this time.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The API server, for the Secret.
    #[error("Secret {namespace}/{name}: {error}")]
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server says.
        error: ApiError,
    },
    /// The API server, for a webhook configuration.
    #[error("webhook configuration {name}: {error}")]
    Configuration {
        /// Its name.
        name: String,
        /// What the API server says.
        error: ApiError,
    },
    /// No certificate could be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// What was just written or read cannot be served.
    #[error("Secret {name}: {error}")]
    Unusable {
        /// Its name.
        name: String,
        /// Why.
        error: crate::Unusable,
    },
    /// Other replicas kept changing the Secret.
    #[error("Secret {0}: was changed by others every time it was to be written")]
    Conflict(String),
}

impl Keeper {
    /// Runs until it is dropped. Failures are logged and tried again.
    pub async fn run(self) {
        let mut changes = self.changes();
        loop {
            let wait = match self.keep().await {
                Ok(()) => INTERVAL,
                Err(error) => {
                    tracing::error!("certificates: {error}");
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = changes.next() => {}
            }
        }
    }

    /// Makes everything right once.
    pub async fn keep(&self) -> Result<(), KeeperError> {
        let identity = self.current().await?;
        let unusable = |error| KeeperError::Unusable {
            name: self.secret.clone(),
            error,
        };
        // First the authority is trusted, then the certificate shown that it signed.
        let bundle = serde_json::to_value(ByteString(identity.ca_certificate.clone().into_bytes()));
        let bundle = bundle
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default();
        for configuration in &self.configurations {
            let published = configuration.publish(self.client.clone(), &bundle).await;
            published.map_err(|error| KeeperError::Configuration {
                name: configuration.name().to_owned(),
                error: ApiError::from(error),
            })?;
        }
        self.resolver
            .set(identity.certified_key().map_err(unusable)?);
        Ok(())
    }

    /// The Secret's certificates, renewed where that is due.
    async fn current(&self) -> Result<Identity, KeeperError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let failed = |error| KeeperError::Secret {
            namespace: self.namespace.clone(),
            name: self.secret.clone(),
            error: ApiError::from(error),
        };
        for _ in 0..CONFLICTS {
            let stored = secret::read(&api, &self.secret).await.map_err(failed)?;
            let found = stored.as_ref().map(|stored| {
                stored
                    .identity
                    .clone()
                    .and_then(|identity| Ok((identity.verify()?, identity)))
            });
            let usable = match found {
                Some(Err(error)) => {
                    tracing::warn!(
                        secret = self.secret,
                        "the Secret cannot be used, new certificates are made: {error}"
                    );
                    None
                }
                Some(Ok(usable)) => Some(usable),
                None => None,
            };
            let now = SystemTime::now();
            let action = decide(usable.as_ref().map(|(facts, _)| facts), &self.names, now);
            let new = match (action, usable) {
                (Action::Keep, Some((_, identity))) => return Ok(identity),
                (Action::RenewServing, Some((_, identity))) => {
                    issue_serving(&identity, &self.names, now, self.lifetimes)?
                }
                _ => issue_all(&self.names, now, self.lifetimes)?,
            };
            if secret::write(&api, &self.secret, stored, &new)
                .await
                .map_err(failed)?
            {
                tracing::info!(secret = self.secret, ?action, "certificates written");
                return Ok(new);
            }
        }
        Err(KeeperError::Conflict(self.secret.clone()))
    }

    /// An item whenever the Secret or a configuration may have changed.
    fn changes(&self) -> BoxStream<'static, ()> {
        let only = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = watcher(secrets, only(&self.secret))
            .default_backoff()
            .touched_objects()
            .filter_map(seen)
            .boxed();
        let configurations = self.configurations.iter().map(|configuration| {
            let (api, _) = configuration.api(self.client.clone());
            watcher(api, only(configuration.name()))
                .default_backoff()
                .touched_objects()
                .filter_map(seen)
                .boxed()
        });
        stream::select_all(configurations.chain([secret])).boxed()
    }
}

/// A failed watch is no change: it tries again by itself, and the keeper has its own next look.
async fn seen<K>(event: watcher::Result<K>) -> Option<()> {
    event.ok().map(drop)
}
