//! The addresses of the API servers, which stand in the EndpointSlices of the Service `kubernetes`.
//!
//! Where an API server calls from another address, such as a tunnel's or that of a node that hides it, nobody is known for one.

use std::collections::HashSet;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt as _;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};

use crate::cluster::stores::describe;
use crate::panics::spawn_vital;

/// Where the API servers list themselves.
const NAMESPACE: &str = "default";
const SELECTOR: &str = "kubernetes.io/service-name=kubernetes";

/// The API servers; clones share what is known. By default there are none.
#[derive(Clone, Debug, Default)]
pub struct ApiServers(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    addresses: RwLock<Arc<HashSet<IpAddr>>>,
    have_called: AtomicBool,
}

impl ApiServers {
    /// Follows the slices in the background until the program ends.
    pub(crate) fn start(client: &Client) -> Self {
        let this = Self::default();
        let slices = Api::namespaced(client.clone(), NAMESPACE);
        spawn_vital(this.clone().follow(slices));
        this
    }

    /// Their addresses.
    pub(crate) fn addresses(&self) -> Arc<HashSet<IpAddr>> {
        let addresses = self.0.addresses.read();
        Arc::clone(&addresses.unwrap_or_else(PoisonError::into_inner))
    }

    /// A request came from this address. Is it one of theirs?
    pub(crate) fn called_from(&self, peer: IpAddr) -> bool {
        let is_theirs = self.addresses().contains(&peer);
        if is_theirs && !self.0.have_called.swap(true, Ordering::Relaxed) {
            tracing::info!(%peer, "an API server calls: most connections are reserved from now on");
        }
        is_theirs
    }

    /// Has a request come from one of them?
    pub(crate) fn have_called(&self) -> bool {
        self.0.have_called.load(Ordering::Relaxed)
    }

    async fn follow(self, slices: Api<EndpointSlice>) {
        let (store, writer) = reflector::store();
        let watch = watcher(slices, watcher::Config::default().labels(SELECTOR));
        let mut events = pin!(reflector::reflector(writer, watch).default_backoff());
        let mut is_failing = false;
        while let Some(event) = events.next().await {
            match event {
                // Said before every try.
                Ok(watcher::Event::Init) => {}
                Ok(_) => {
                    is_failing = false;
                    self.set(&store);
                }
                Err(error) if !is_failing => {
                    is_failing = true;
                    tracing::warn!(
                        "could not watch the addresses of the API servers; all clients at unknown addresses share connections and memory: {}",
                        describe(error)
                    );
                }
                Err(_) => {}
            }
        }
    }

    /// Known ones, of which none has called.
    #[cfg(test)]
    pub(crate) fn of<const N: usize>(addresses: [IpAddr; N]) -> Self {
        let this = Self::default();
        *this.0.addresses.write().unwrap() = Arc::new(addresses.into());
        this
    }

    fn set(&self, slices: &Store<EndpointSlice>) {
        let slices = slices.state();
        let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
        let texts = endpoints.flat_map(|endpoint| &endpoint.addresses);
        let addresses = texts.filter_map(|text| text.parse::<IpAddr>().ok());
        let addresses = addresses.map(|address| address.to_canonical()).collect();
        let mut known = self
            .0
            .addresses
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(addresses);
    }
}
