//! CAs that the replicas share in a Secret. Executes against the API server what [`Replica::step`] decides.

use std::time::{Duration, SystemTime};

use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};

use crate::ca_bundle::{Configuration, published};
use crate::pair::Serving;
use crate::replica::{Found, Replica, Settings, Step, View};
use crate::secret;
use crate::shown::Shown;
use crate::status::Problem;

/// More consecutive writes than ever needed: somebody undoes them.
const MAX_WRITES: u32 = 50;

/// The longest wait for an answer of the API server.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where the CAs are stored, and which configurations trust them.
#[derive(Clone)]
pub struct SecretSource {
    /// The client for the API server.
    pub client: Client,
    /// The namespace of the Secret.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// The configurations that get the `caBundle`.
    pub configurations: Vec<Configuration>,
    /// DNS names and validity periods of the certificates.
    pub settings: Settings,
}

/// A replica's part in maintaining the Secret and the bundles.
pub(crate) struct Shared {
    source: SecretSource,
    replica: Replica,
}

/// The objects that this look has read, to be sent back with changes.
#[derive(Default)]
struct Before {
    secret: secret::Before,
    configurations: Vec<Option<DynamicObject>>,
}

impl Shared {
    pub(crate) fn new(source: SecretSource) -> Self {
        Self {
            source,
            replica: Replica::default(),
        }
    }

    /// Does everything that is due. Returns when to check again.
    pub(crate) async fn look(
        &mut self,
        shown: &mut Shown,
        clock: &(dyn Fn() -> SystemTime + Send + Sync),
    ) -> Result<SystemTime, Problem> {
        let looked = self.look_once(shown, clock).await;
        if looked.is_err()
            && let Some(serving) = self.replica.renew_alone(&self.source.settings, clock())?
        {
            self.show(&serving, shown);
        }
        looked
    }

    fn show(&self, serving: &Serving, shown: &mut Shown) {
        let authority = self.replica.serving().map(|(_, authority)| authority);
        shown.show(serving, authority);
    }

    async fn look_once(
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
            match self.replica.step(&view, count, settings, clock())? {
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
                Step::Write(authorities) => {
                    let name = &self.source.name;
                    written = self.secret_name();
                    let read = before.secret.take();
                    let secrets = self.secrets();
                    let done = secret::write(&secrets, name, read, &authorities);
                    if answer(&written, done).await? {
                        let count = authorities.certificates().count();
                        tracing::info!(secret = name, count, "CAs written");
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
                Step::Serve(serving) => self.show(&serving, shown),
                Step::Wait(until) => return Ok(until),
            }
        }
        Err(Problem::Conflict { object: written })
    }

    async fn read_configuration(&self, index: usize) -> Result<Option<DynamicObject>, Problem> {
        let configuration = &self.source.configurations[index];
        let found = configuration.read(self.source.client.clone());
        let found = answer(configuration, found).await?;
        if found.is_none() {
            tracing::warn!(%configuration, "webhook configuration not found; it gets its caBundle when it is created");
        }
        Ok(found)
    }

    async fn read_secret(&self) -> Result<(Found, secret::Before), Problem> {
        let secrets = self.secrets();
        let read = secret::read(&secrets, &self.source.name);
        answer(&self.secret_name(), read).await
    }

    async fn publish(&self, index: usize, before: &Before, bundle: &str) -> Result<(), Problem> {
        let configuration = &self.source.configurations[index];
        // The bundle is published only to existing configurations.
        if let Some(Some(found)) = before.configurations.get(index) {
            let client = self.source.client.clone();
            let done = configuration.publish(client, found, bundle);
            if answer(configuration, done).await? {
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

/// The answer to a request about an object. An API server that starts or stops may accept a request and never answer, and the
/// serving certificate must be renewed meanwhile.
async fn answer<T>(
    object: &impl ToString,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| Problem::of_api(object.to_string(), &error)),
        Err(_) => Err(Problem::ApiUnreachable {
            object: object.to_string(),
            message: format!("no answer from the API server for {} s", TIMEOUT.as_secs()),
        }),
    }
}

/// A failed watch is not a change: it retries by itself, and the keeper has its own interval.
async fn seen<K>(event: watcher::Result<K>) -> Option<()> {
    event.ok().map(drop)
}
