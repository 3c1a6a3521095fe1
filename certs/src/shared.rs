//! Certificates of our own, shared by all replicas in a Secret: does against the API server what [`Memory::step`] says.

use std::time::SystemTime;

use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};

use crate::ca_bundle::{Configuration, published};
use crate::rotate::Settings;
use crate::secret;
use crate::shown::Shown;
use crate::status::Problem;
use crate::step::{Found, Memory, Step, View};

/// So many writes, one after the other, are never needed: somebody undoes them.
const MAX_WRITES: u32 = 50;

/// Where certificates of our own are kept, and who is to trust them.
#[derive(Clone)]
pub struct SecretSource {
    /// For the API server.
    pub client: Client,
    /// Where the Secret is.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// What gets the `caBundle`.
    pub configurations: Vec<Configuration>,
    /// What the certificates are for, and how long they hold.
    pub settings: Settings,
}

/// A replica's part in keeping the Secret and the bundles right.
pub(crate) struct Shared {
    source: SecretSource,
    memory: Memory,
}

/// What the API server returned in this look, to be sent back with changes.
#[derive(Default)]
struct Before {
    secret: secret::Before,
    configurations: Vec<Option<DynamicObject>>,
}

impl Shared {
    pub(crate) fn new(source: SecretSource) -> Self {
        Self {
            source,
            memory: Memory::default(),
        }
    }

    /// Makes everything right; returns when to look again.
    pub(crate) async fn look(
        &mut self,
        shown: &mut Shown,
        clock: &(dyn Fn() -> SystemTime + Send + Sync),
    ) -> Result<SystemTime, Problem> {
        let (mut view, mut before) = (View::default(), Before::default());
        let mut written = String::new();
        let mut writes = 0;
        while writes < MAX_WRITES {
            let count = self.source.configurations.len();
            let settings = &self.source.settings;
            match self.memory.step(&view, count, settings, clock())? {
                Step::ReadConfiguration(index) => {
                    let found = self.read_configuration(index).await?;
                    view.configurations.push(found.as_ref().map(published));
                    before.configurations.push(found);
                }
                Step::ReadSecret => {
                    let (found, secret) = self.read_secret().await?;
                    if let Found::Unusable(error) = &found {
                        let secret = self.secret_name();
                        let error = error.clone();
                        let problem = Problem::UnusableSecret { secret, error };
                        shown.report(Some(problem), clock());
                    }
                    view.secret = Some(found);
                    before.secret = secret;
                }
                Step::Write(state, change) => {
                    let name = &self.source.name;
                    written = self.secret_name();
                    let read = before.secret.take();
                    let done = secret::write(&self.secrets(), name, read, &state).await;
                    if done.map_err(|error| Problem::of_api(written.clone(), error))? {
                        tracing::info!(secret = name, ?change, "certificates written");
                    }
                    writes += 1;
                    (view, before) = (View::default(), Before::default());
                }
                Step::Publish(index, bundle) => {
                    written = self.source.configurations[index].to_string();
                    self.publish(index, &before, &bundle).await?;
                    writes += 1;
                    (view, before) = (View::default(), Before::default());
                }
                Step::Show(serving) => {
                    let authority = self.memory.shown().map(|(_, authority)| authority);
                    shown.show(&serving, authority);
                }
                Step::Wait(until) => return Ok(until),
            }
        }
        Err(Problem::Conflict { object: written })
    }

    async fn read_configuration(&self, index: usize) -> Result<Option<DynamicObject>, Problem> {
        let configuration = &self.source.configurations[index];
        let found = configuration.read(self.source.client.clone()).await;
        let found = found.map_err(|error| Problem::of_api(configuration.to_string(), error))?;
        if found.is_none() {
            tracing::warn!(%configuration, "no such webhook configuration yet");
        }
        Ok(found)
    }

    async fn read_secret(&self) -> Result<(Found, secret::Before), Problem> {
        let read = secret::read(&self.secrets(), &self.source.name).await;
        read.map_err(|error| Problem::of_api(self.secret_name(), error))
    }

    async fn publish(&self, index: usize, before: &Before, bundle: &str) -> Result<(), Problem> {
        let configuration = &self.source.configurations[index];
        // Only what was found is published to.
        if let Some(Some(found)) = before.configurations.get(index) {
            let client = self.source.client.clone();
            let done = configuration.publish(client, found, bundle).await;
            if done.map_err(|error| Problem::of_api(configuration.to_string(), error))? {
                tracing::info!(%configuration, "caBundle published");
            }
        }
        Ok(())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.source.client.clone(), &self.source.namespace)
    }

    fn secret_name(&self) -> String {
        format!("Secret {}/{}", self.source.namespace, self.source.name)
    }

    /// An item whenever the Secret or a configuration may have changed.
    pub(crate) fn changes(&self) -> BoxStream<'static, ()> {
        let only = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
        let secret = watcher(self.secrets(), only(&self.source.name))
            .default_backoff()
            .touched_objects()
            .filter_map(seen)
            .boxed();
        let configurations = self.source.configurations.iter().map(|configuration| {
            let (api, _) = configuration.api(self.source.client.clone());
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
