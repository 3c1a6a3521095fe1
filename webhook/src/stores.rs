//! Classes and ServiceAccounts, kept in memory by watches, so that an admission asks the API server nothing. What the
//! memory does not have is asked for live: it may have been created a moment ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use certs::ApiError;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ApiResource, GroupVersionKind};
use kube::core::response::reason::NOT_FOUND;
use kube::core::{NotUsed, Object};
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource};
use provider_class::{GROUP, KIND, PLURAL, SecretProviderClassSpec, VERSIONS};

use crate::panics::spawn_vital;
use crate::refusal::Refusal;

/// A `SecretProviderClass` as the API server holds it.
pub type ClassObject = Object<SecretProviderClassSpec, NotUsed>;

/// The stores.
#[derive(Clone)]
pub struct Stores {
    client: Client,
    classes: Store<ClassObject>,
    service_accounts: Store<ServiceAccount>,
    class_watch: Arc<Watch>,
    service_account_watch: Arc<Watch>,
}

/// How a watch is doing.
#[derive(Debug, Default)]
struct Watch {
    /// The memory has held what the cluster holds.
    synced: AtomicBool,
    /// The cluster does not know the kind: there is nothing to wait for.
    no_kind: AtomicBool,
    /// Failures in a row.
    failures: AtomicU32,
}

/// How one of the stores is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreState {
    /// What it holds.
    pub kind: &'static str,
    /// How many.
    pub objects: usize,
    /// It has held all that the cluster holds.
    pub synced: bool,
    /// It is synced, or there is nothing that it could hold.
    pub can_answer: bool,
    /// Failures of its watch in a row: it is as old as the first of them.
    pub failures: u32,
}

const SERVICE_ACCOUNT: &str = "ServiceAccount";

impl Watch {
    fn state(&self, kind: &'static str, objects: usize) -> StoreState {
        let synced = self.synced.load(Ordering::Relaxed);
        StoreState {
            kind,
            objects,
            synced,
            can_answer: synced || self.no_kind.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}

fn class_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(GROUP, VERSIONS[0], KIND);
    ApiResource::from_gvk_with_plural(&kind, PLURAL)
}

impl Stores {
    /// Starts the watches; they run in the background until the program ends.
    pub fn start(client: &Client) -> Self {
        let resource = class_resource();
        let writer = Writer::new(resource.clone());
        let classes = writer.as_reader();
        let class_watch = Arc::<Watch>::default();
        let watch = watcher(
            Api::<ClassObject>::all_with(client.clone(), &resource),
            watcher::Config::default(),
        )
        .default_backoff()
        .modify(strip)
        .reflect(writer);
        spawn_vital(follow(KIND, watch, Arc::clone(&class_watch)));

        let writer = Writer::new(());
        let service_accounts = writer.as_reader();
        let service_account_watch = Arc::<Watch>::default();
        let watch = watcher(
            Api::<ServiceAccount>::all(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff()
        .modify(|account: &mut ServiceAccount| {
            strip(account);
            account.secrets = None;
            account.image_pull_secrets = None;
        })
        .reflect(writer);
        let watch = follow(SERVICE_ACCOUNT, watch, Arc::clone(&service_account_watch));
        spawn_vital(watch);
        Self {
            client: client.clone(),
            classes,
            service_accounts,
            class_watch,
            service_account_watch,
        }
    }

    /// How the stores are doing.
    pub fn states(&self) -> [StoreState; 2] {
        [
            self.class_watch.state(KIND, self.classes.len()),
            self.service_account_watch
                .state(SERVICE_ACCOUNT, self.service_accounts.len()),
        ]
    }

    /// A class of a namespace.
    pub async fn class(&self, namespace: &str, name: &str) -> Result<Arc<ClassObject>, Refusal> {
        let resource = class_resource();
        let key = ObjectRef::new_with(name, resource.clone()).within(namespace);
        if let Some(found) = self.classes.get(&key) {
            return Ok(found);
        }
        let api = Api::<ClassObject>::namespaced_with(self.client.clone(), namespace, &resource);
        match api.get(name).await {
            Ok(found) => Ok(Arc::new(found)),
            Err(kube::Error::Api(status)) if status.reason == NOT_FOUND => Err(Refusal::NoClass {
                name: name.to_owned(),
                namespace: namespace.to_owned(),
            }),
            // Where the API server does not know the kind, it answers in plain text, without a reason.
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Refusal::NoCrd),
            Err(error) => Err(lookup(
                format!("{KIND} {name:?} in namespace {namespace:?}"),
                error,
            )),
        }
    }

    /// A ServiceAccount of a namespace.
    pub async fn service_account(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<ServiceAccount>, Refusal> {
        if let Some(found) = self
            .service_accounts
            .get(&ObjectRef::new(name).within(namespace))
        {
            return Ok(found);
        }
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        match api.get_opt(name).await {
            Ok(Some(found)) => Ok(Arc::new(found)),
            Ok(None) => Err(Refusal::NoServiceAccount {
                name: name.to_owned(),
                namespace: namespace.to_owned(),
            }),
            Err(error) => Err(lookup(
                format!("{SERVICE_ACCOUNT} {name:?} in namespace {namespace:?}"),
                error,
            )),
        }
    }
}

fn lookup(what: String, error: kube::Error) -> Refusal {
    Refusal::Lookup {
        what,
        error: error.into(),
    }
}

/// Drops what is never read; with thousands of objects it is most of the memory.
fn strip<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// Drives a watch. Its errors are the API server's passing trouble, or a missing permission: the watch tries again.
async fn follow<K>(
    kind: &'static str,
    events: impl futures::Stream<Item = watcher::Result<watcher::Event<K>>>,
    watch: Arc<Watch>,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            // Said before every try.
            Ok(watcher::Event::Init) => {}
            Ok(event) => {
                watch.failures.store(0, Ordering::Relaxed);
                watch.no_kind.store(false, Ordering::Relaxed);
                if matches!(event, watcher::Event::InitDone) {
                    watch.synced.store(true, Ordering::Relaxed);
                    tracing::info!(kind, "watch begun");
                }
            }
            Err(error) => {
                let no_kind = matches!(&error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404);
                watch.no_kind.store(no_kind, Ordering::Relaxed);
                let error = describe(error);
                if watch.failures.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(kind, "watch failed, trying again: {error}");
                } else {
                    tracing::debug!(kind, "watch failed again: {error}");
                }
            }
        }
    }
}

fn describe(error: watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => ApiError::from(error).to_string(),
        other => other.to_string(),
    }
}
