//! Classes and ServiceAccounts, kept in memory by watches, so that an admission asks the API server nothing. What the
//! memory does not have is asked for live: it may have been created a moment ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

use crate::refusal::Refusal;

/// A `SecretProviderClass` as the API server holds it.
pub type ClassObject = Object<SecretProviderClassSpec, NotUsed>;

/// The stores.
#[derive(Clone)]
pub struct Stores {
    client: Client,
    classes: Store<ClassObject>,
    service_accounts: Store<ServiceAccount>,
    /// The class watch has no resource to watch: nothing to wait for.
    no_crd: Arc<AtomicBool>,
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
        let no_crd = Arc::new(AtomicBool::new(false));
        let watch = watcher(
            Api::<ClassObject>::all_with(client.clone(), &resource),
            watcher::Config::default(),
        )
        .default_backoff()
        .modify(strip)
        .reflect(writer);
        tokio::spawn(follow(KIND, watch, Some(Arc::clone(&no_crd))));

        let writer = Writer::new(());
        let service_accounts = writer.as_reader();
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
        tokio::spawn(follow("ServiceAccount", watch, None));
        Self {
            client: client.clone(),
            classes,
            service_accounts,
            no_crd,
        }
    }

    /// Returns when the memory holds what the cluster held at the start.
    pub async fn synced(&self) {
        // An error means that the writer is gone, and its task with it: only at the end of the program.
        let _ = self.service_accounts.wait_until_ready().await;
        let classes = self.classes.wait_until_ready();
        tokio::pin!(classes);
        while !self.no_crd.load(Ordering::Relaxed) {
            tokio::select! {
                _ = &mut classes => return,
                () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
            }
        }
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
                format!("ServiceAccount {name:?} in namespace {namespace:?}"),
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
    watch: impl futures::Stream<Item = watcher::Result<watcher::Event<K>>>,
    missing: Option<Arc<AtomicBool>>,
) {
    let mut watch = std::pin::pin!(watch);
    let mut failing = false;
    while let Some(event) = watch.next().await {
        let is_missing = matches!(&event, Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.code == 404);
        if let Some(missing) = &missing {
            missing.store(is_missing, Ordering::Relaxed);
        }
        match event {
            // Said before every try.
            Ok(watcher::Event::Init) => {}
            Ok(_) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(kind, "watch failed, trying again: {}", describe(error));
            }
            Err(error) => tracing::debug!(kind, "watch failed again: {}", describe(error)),
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
