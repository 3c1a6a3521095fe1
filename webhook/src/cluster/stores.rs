//! Classes and ServiceAccounts, kept in memory by watches, so that an admission needs no request to the API server.
//! Objects that are not in memory are read live: they may have been created a moment ago, or had no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ApiResource, GroupVersionKind, PartialObjectMeta};
use kube::core::response::reason::NOT_FOUND;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use provider_class::{GROUP, KIND, Namespace, ObjectName, PLURAL, VERSIONS};

use crate::cluster::api_error::ApiError;
use crate::cluster::classes::{ClassObject, KnownClass, parse};
use crate::cluster::lookup::LookupError;
use crate::cluster::memory::{ENTRY, Keep, Key, Memory};
use crate::panics::spawn_vital;
use crate::pod::role;

/// What is read of a ServiceAccount: its tokens and Secrets are not asked for.
pub(crate) type ServiceAccountMeta = PartialObjectMeta<ServiceAccount>;

/// The stores.
#[derive(Clone)]
pub(crate) struct Stores {
    client: Client,
    classes: Memory<KnownClass>,
    service_accounts: Memory<Arc<ServiceAccountMeta>>,
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

/// Bytes of classes in memory, with what they were parsed to.
const CLASSES: usize = 32 * 1024 * 1024;
/// Classes that one answer of the API server may have. Each has up to 1.5 MB there, of any provider.
const CLASSES_PAGE: u32 = 8;

/// Bytes of ServiceAccounts in memory: tens of thousands.
const SERVICE_ACCOUNTS: usize = 32 * 1024 * 1024;
/// ServiceAccounts that one answer of the API server may have: metadata, with up to 256 KiB of annotations.
const SERVICE_ACCOUNTS_PAGE: u32 = 32;

/// What a ServiceAccount's metadata takes beside its text.
const OBJECT: usize = 640;

impl Keep for ServiceAccountMeta {
    type Kept = Arc<Self>;

    fn key(&self) -> Key {
        Key::new(&self.namespace().unwrap_or_default(), &self.name_any())
    }

    /// Its role, and what belongs to it. Nothing where one of these is longer than it can be: who asks for it is told.
    fn kept(self) -> Option<(Arc<Self>, usize)> {
        let mut annotations = self.metadata.annotations.clone().unwrap_or_default();
        annotations.retain(|name, _| role::ANNOTATIONS.contains(&name.as_str()));
        if annotations
            .values()
            .any(|value| value.len() > role::LONGEST)
        {
            return None;
        }
        let mut bytes = OBJECT + identity_text(&self.metadata);
        for (name, value) in &annotations {
            bytes += name.len() + value.len() + ENTRY;
        }
        let mut metadata = identity(self.metadata);
        metadata.annotations = Some(annotations);
        Some((Arc::new(Self { metadata, ..self }), bytes))
    }
}

/// The metadata by which an object and its version are known.
fn identity(metadata: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        ..ObjectMeta::default()
    }
}

fn identity_text(metadata: &ObjectMeta) -> usize {
    let fields = [
        &metadata.name,
        &metadata.namespace,
        &metadata.uid,
        &metadata.resource_version,
    ];
    // Name and namespace are in the key as well.
    2 * fields.into_iter().flatten().map(String::len).sum::<usize>()
}

impl Stores {
    /// Starts the watches; they run in the background until the program ends.
    pub(crate) fn start(client: &Client) -> Self {
        let classes = Memory::new(CLASSES);
        let class_watch = Arc::<Watch>::default();
        let api = Api::<ClassObject>::all_with(client.clone(), &class_resource());
        let events = watcher(api, watcher::Config::default().page_size(CLASSES_PAGE));
        spawn_vital(follow(
            KIND,
            events.default_backoff(),
            classes.clone(),
            Arc::clone(&class_watch),
        ));

        let service_accounts = Memory::new(SERVICE_ACCOUNTS);
        let service_account_watch = Arc::<Watch>::default();
        let api = Api::<ServiceAccountMeta>::all(client.clone());
        let events = watcher(
            api,
            watcher::Config::default().page_size(SERVICE_ACCOUNTS_PAGE),
        );
        spawn_vital(follow(
            SERVICE_ACCOUNT,
            events.default_backoff(),
            service_accounts.clone(),
            Arc::clone(&service_account_watch),
        ));
        Self {
            client: client.clone(),
            classes,
            service_accounts,
            class_watch,
            service_account_watch,
        }
    }

    /// How the stores are doing.
    pub(crate) fn states(&self) -> [StoreState; 2] {
        [
            self.class_watch.state(KIND, self.classes.len()),
            self.service_account_watch
                .state(SERVICE_ACCOUNT, self.service_accounts.len()),
        ]
    }

    /// A class of a namespace.
    pub(crate) async fn class(
        &self,
        namespace: &Namespace,
        name: &ObjectName,
    ) -> Result<KnownClass, LookupError> {
        if let Some(found) = self.classes.get(&Key::of(namespace, name)) {
            return Ok(found);
        }
        let resource = class_resource();
        let api =
            Api::<ClassObject>::namespaced_with(self.client.clone(), namespace.as_str(), &resource);
        match api.get(name.as_str()).await {
            Ok(found) => Ok(parse(name.as_str(), found.spec)),
            Err(kube::Error::Api(status)) if status.reason == NOT_FOUND => {
                Err(LookupError::NoClass {
                    name: name.clone(),
                    namespace: namespace.clone(),
                })
            }
            // Where the API server does not know the kind, it answers in plain text, without a reason.
            Err(kube::Error::Api(status)) if status.code == 404 => Err(LookupError::NoCrd),
            Err(error) => Err(lookup(
                format!("{KIND} {name:?} in namespace {namespace:?}"),
                error,
            )),
        }
    }

    /// A ServiceAccount of a namespace.
    pub(crate) async fn service_account(
        &self,
        namespace: &Namespace,
        name: &ObjectName,
    ) -> Result<Arc<ServiceAccountMeta>, LookupError> {
        if let Some(found) = self.service_accounts.get(&Key::of(namespace, name)) {
            return Ok(found);
        }
        let api: Api<ServiceAccountMeta> = Api::namespaced(self.client.clone(), namespace.as_str());
        match api.get_opt(name.as_str()).await {
            Ok(Some(found)) => Ok(Arc::new(found)),
            Ok(None) => Err(LookupError::NoServiceAccount {
                name: name.clone(),
                namespace: namespace.clone(),
            }),
            Err(error) => Err(lookup(
                format!("{SERVICE_ACCOUNT} {name:?} in namespace {namespace:?}"),
                error,
            )),
        }
    }
}

fn lookup(what: String, error: kube::Error) -> LookupError {
    LookupError::Failed {
        what,
        error: error.into(),
    }
}

/// Drives a watch. Its errors are the API server's passing trouble, or a missing permission: the watch tries again.
async fn follow<K: Keep>(
    kind: &'static str,
    events: impl futures::Stream<Item = watcher::Result<watcher::Event<K>>>,
    memory: Memory<K::Kept>,
    watch: Arc<Watch>,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            // Said before every try.
            Ok(watcher::Event::Init) => memory.follow::<K>(watcher::Event::Init),
            Ok(event) => {
                watch.failures.store(0, Ordering::Relaxed);
                watch.no_kind.store(false, Ordering::Relaxed);
                let is_whole = matches!(event, watcher::Event::InitDone);
                memory.follow(event);
                if is_whole {
                    watch.synced.store(true, Ordering::Relaxed);
                    tracing::info!(kind, "watch started");
                }
            }
            Err(error) => {
                let no_kind = matches!(&error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404);
                watch.no_kind.store(no_kind, Ordering::Relaxed);
                let error = describe(error);
                if watch.failures.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(kind, "watch failed, retrying: {error}");
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
