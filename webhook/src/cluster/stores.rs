//! Classes and ServiceAccounts, kept in memory by watches, so that an admission needs no request to the API server.
//! Objects that are not in memory are read live: they may have been created a moment ago, or had no room.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::Api;
use kube::core::response::reason::NOT_FOUND;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource, ResourceExt as _};
use provider_class::{KIND, Namespace, ObjectName};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::cluster::answers::is_too_long;
use crate::cluster::api_error::ApiError;
use crate::cluster::classes::KnownClass;
use crate::cluster::lookup::{Deadline, LookupError};
use crate::cluster::memory::{Keep, Key, Memory};
use crate::cluster::objects::{ClassObject, ServiceAccount};
use crate::panics::spawn_vital;
use crate::pod::annotations::{PREFIX, may_have_default};
use crate::pod::role::{InvalidRole, Role};

/// Annotations of a Namespace, without their prefix.
type Values = BTreeMap<String, String>;

/// What is known of a ServiceAccount.
pub(crate) type KnownRole = Result<Role, InvalidRole>;

/// Objects that are read live at the same time, of all reviews: each may have megabytes.
const LOOKUPS: usize = 4;

/// The stores.
#[derive(Clone)]
pub(crate) struct Stores {
    client: Client,
    lookups: Arc<Semaphore>,
    classes: Memory<KnownClass>,
    roles: Memory<KnownRole>,
    class_watch: Arc<Watch>,
    role_watch: Arc<Watch>,
    /// Only where Namespaces have defaults for their pods.
    namespaces: Option<(Memory<Values>, Arc<Watch>)>,
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
const NAMESPACE: &str = "Namespace";

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

    fn failed(&self, kind: &str, error: watcher::Error) {
        let no_kind = matches!(&error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404);
        self.no_kind.store(no_kind, Ordering::Relaxed);
        let error = describe(error);
        if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(kind, "watch failed, retrying: {error}");
        } else {
            tracing::debug!(kind, "watch failed again: {error}");
        }
    }
}

/// Bytes of classes in memory, with what they were parsed to.
const CLASSES: usize = 32 * 1024 * 1024;
/// Classes that one answer of the API server may have, at first.
const CLASSES_PAGE: u32 = 64;

/// Bytes of ServiceAccounts in memory: tens of thousands.
const SERVICE_ACCOUNTS: usize = 32 * 1024 * 1024;
/// ServiceAccounts that one answer of the API server may have, at first: only their metadata.
const SERVICE_ACCOUNTS_PAGE: u32 = 512;

/// Bytes of the annotations of Namespaces in memory.
const NAMESPACES: usize = 8 * 1024 * 1024;
/// Namespaces that one answer of the API server may have, at first.
const NAMESPACES_PAGE: u32 = 256;

impl Keep for NamespaceObject {
    type Kept = Values;

    fn key(&self) -> Key {
        Key::new("", &self.name_any())
    }

    fn kept(self) -> Option<(Values, usize)> {
        let values = defaults_of(&self);
        let bytes: usize = values
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        Some((values, ROLE + self.name_any().len() + bytes))
    }
}

/// The annotations of a Namespace that are defaults for its pods.
fn defaults_of(namespace: &NamespaceObject) -> Values {
    let annotations = namespace.annotations().iter();
    let ours = annotations.filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)));
    ours.filter(|(name, _)| may_have_default(name))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

/// What a role takes beside its text.
const ROLE: usize = 256;

impl Keep for ServiceAccount {
    type Kept = KnownRole;

    fn key(&self) -> Key {
        Key::new(&self.namespace().unwrap_or_default(), &self.name_any())
    }

    /// Its role, or in a line why it has none.
    fn kept(self) -> Option<(KnownRole, usize)> {
        let role = Role::read(self.annotations());
        let text = match &role {
            Ok(role) => role.arn.as_str().len() + role.audience.len(),
            Err(InvalidRole::Missing) => 0,
            Err(InvalidRole::Annotation { reason, .. }) => reason.len(),
        };
        let key = self.namespace().map_or(0, |namespace| namespace.len()) + self.name_any().len();
        Some((role, ROLE + key + text))
    }
}

impl Stores {
    /// Starts the watches; they run in the background until the program ends.
    pub(crate) fn start(client: &Client, namespace_defaults: bool) -> Self {
        let namespaces = namespace_defaults
            .then(|| watched::<NamespaceObject>(client, NAMESPACES, NAMESPACES_PAGE));
        let (classes, class_watch) = watched::<ClassObject>(client, CLASSES, CLASSES_PAGE);
        let (roles, role_watch) =
            watched::<ServiceAccount>(client, SERVICE_ACCOUNTS, SERVICE_ACCOUNTS_PAGE);
        Self {
            client: client.clone(),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            classes,
            roles,
            class_watch,
            role_watch,
            namespaces,
        }
    }

    /// How the stores are doing.
    pub(crate) fn states(&self) -> Vec<StoreState> {
        let namespaces = self.namespaces.as_ref();
        let mut states = vec![
            self.class_watch.state(KIND, self.classes.len()),
            self.role_watch.state(SERVICE_ACCOUNT, self.roles.len()),
        ];
        states.extend(namespaces.map(|(memory, watch)| watch.state(NAMESPACE, memory.len())));
        states
    }

    /// Annotations for the pods of a namespace that do not set them; none unless Namespaces have some.
    pub(crate) async fn defaults(
        &self,
        namespace: &Namespace,
        deadline: Deadline,
    ) -> Result<Values, LookupError> {
        let Some((memory, _)) = &self.namespaces else {
            return Ok(Values::new());
        };
        if let Some(found) = memory.get(&Key::new("", namespace.as_str())) {
            return Ok(found);
        }
        let api = Api::<NamespaceObject>::all(self.client.clone());
        let ask = async {
            let _turn = self.lookups.acquire().await.ok();
            Ok(defaults_of(&api.get(namespace.as_str()).await?))
        };
        deadline
            .answer(ask)
            .await
            .map_err(|error| LookupError::Failed {
                what: format!("{NAMESPACE} {namespace:?}"),
                error: error.into(),
            })
    }

    /// A class of a namespace.
    pub(crate) async fn class(
        &self,
        namespace: &Namespace,
        name: &ObjectName,
        deadline: Deadline,
    ) -> Result<KnownClass, LookupError> {
        if let Some(found) = self.classes.get(&Key::of(namespace, name)) {
            return Ok(found);
        }
        let known = |class: ClassObject| class.known(name.as_str());
        match self.look_up(namespace, name, deadline, known).await {
            Ok(known) => Ok(known),
            Err(kube::Error::Api(status)) if status.reason == NOT_FOUND => {
                Err(LookupError::NoClass {
                    name: name.clone(),
                    namespace: namespace.clone(),
                })
            }
            // Where the API server does not know the kind, it answers in plain text, without a reason.
            Err(kube::Error::Api(status)) if status.code == 404 => Err(LookupError::NoCrd),
            Err(error) => Err(LookupError::Failed {
                what: format!("{KIND} {name:?} in namespace {namespace:?}"),
                error: error.into(),
            }),
        }
    }

    /// The role of a ServiceAccount of a namespace.
    pub(crate) async fn role(
        &self,
        namespace: &Namespace,
        name: &ObjectName,
        deadline: Deadline,
    ) -> Result<KnownRole, LookupError> {
        if let Some(found) = self.roles.get(&Key::of(namespace, name)) {
            return Ok(found);
        }
        let known = |account: ServiceAccount| Role::read(account.annotations());
        match self.look_up(namespace, name, deadline, known).await {
            Ok(known) => Ok(known),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                Err(LookupError::NoServiceAccount {
                    name: name.clone(),
                    namespace: namespace.clone(),
                })
            }
            Err(error) => Err(LookupError::Failed {
                what: format!("{SERVICE_ACCOUNT} {name:?} in namespace {namespace:?}"),
                error: error.into(),
            }),
        }
    }

    /// Reads an object live, and what is known of it.
    async fn look_up<K, T>(
        &self,
        namespace: &Namespace,
        name: &ObjectName,
        deadline: Deadline,
        known: impl FnOnce(K) -> T,
    ) -> kube::Result<T>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), namespace.as_str());
        let ask = async {
            // Only a closed semaphore has none to give, and nothing closes it.
            let _turn = self.lookups.acquire().await.ok();
            Ok(known(api.get(name.as_str()).await?))
        };
        deadline.answer(ask).await
    }
}

/// What is kept of all objects of a kind, and the watch that keeps it up to date in the background.
fn watched<K>(client: &Client, most_bytes: usize, page: u32) -> (Memory<K::Kept>, Arc<Watch>)
where
    K: Keep + Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    K::Kept: Send + Sync + 'static,
{
    let memory = Memory::new(most_bytes);
    let watch = Arc::<Watch>::default();
    let api = Api::<K>::all(client.clone());
    spawn_vital(follow(api, page, memory.clone(), Arc::clone(&watch)));
    (memory, watch)
}

/// Drives a watch. Its errors are the API server's passing trouble, or a missing permission: the watch tries again. Where a page of the
/// list is too long, the next try has shorter ones.
async fn follow<K>(api: Api<K>, mut page: u32, memory: Memory<K::Kept>, watch: Arc<Watch>)
where
    K: Keep + Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let kind = K::kind(&());
    let kind = kind.as_ref();
    loop {
        let events = watcher(api.clone(), watcher::Config::default().page_size(page));
        let mut events = std::pin::pin!(events.default_backoff());
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
                Err(watcher::Error::InitialListFailed(error))
                    if is_too_long(&error) && page > 1 =>
                {
                    page = (page / 8).max(1);
                    tracing::info!(kind, page, "objects are large: listing fewer at a time");
                    break;
                }
                Err(error) => watch.failed(kind, error),
            }
        }
    }
}

/// Why a watch failed.
pub(crate) fn describe(error: watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => ApiError::from(error).to_string(),
        other => other.to_string(),
    }
}
