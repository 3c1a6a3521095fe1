//! Puts the webhook together, serves, and shuts down in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use certs::{Keeper, Resolver};
use kube::Client;
use tokio::net::TcpListener;

use crate::Args;
use crate::admission::decision::Admission;
use crate::cluster::ApiServers;
use crate::cluster::access::Access;
use crate::cluster::answers::bounded;
use crate::cluster::features::Features;
use crate::cluster::kubernetes_version::KubernetesVersion;
use crate::cluster::region::DefaultRegion;
use crate::cluster::stores::Stores;
use crate::panics::spawn_vital;
use crate::server::connections::Limits;
use crate::server::health;
use crate::server::metrics::Metrics;
use crate::server::readiness::Readiness;
use crate::server::router::{Reviews, router};
use crate::server::serve::{REVIEWS, Server, tls_acceptor};

/// A webhook whose background tasks run, and which serves nothing yet.
pub struct Webhook {
    reviews: Reviews,
    api_servers: ApiServers,
    resolver: Arc<Resolver>,
    limits: Limits,
    drain: Duration,
}

impl Webhook {
    /// Starts to watch the cluster, and to issue and rotate certificates. Called inside a Tokio runtime.
    pub fn new(args: &Args, client: Client) -> Self {
        let client = bounded(client);
        let resolver = Arc::new(Resolver::default());
        let keeper = Keeper::new(args.certificates(&client), Arc::clone(&resolver));
        let certificates = keeper.status();
        spawn_vital(keeper.run());
        let stores = Stores::start(&client, args.namespace_defaults);
        let api_servers = ApiServers::start(&client);
        let readiness = Readiness::new(stores.clone(), certificates);
        let version = KubernetesVersion::new(client.clone());
        let admission = Admission {
            stores,
            rules: args.rules(),
            region: DefaultRegion::start(args.region.clone(), client.clone()),
            features: Features::new(version, client.clone()),
            access: args.allow_secret_sync.then(|| Access::new(client)),
            settings: args.settings(),
        };
        Self {
            reviews: Reviews {
                admission,
                metrics: Arc::default(),
                readiness: Arc::new(readiness),
            },
            api_servers,
            resolver,
            limits: REVIEWS,
            drain: args.drain,
        }
    }

    /// The same with other limits for connections.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Serves reviews on `listener`, and health and metrics on `health`, until `shutdown` completes and open requests are
    /// answered.
    ///
    /// # Errors
    /// The system has no thread for the health server.
    pub async fn serve(
        self,
        listener: TcpListener,
        health: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let readiness = Arc::clone(&self.reviews.readiness);
        let metrics: Arc<Metrics> = Arc::clone(&self.reviews.metrics);
        let stores = self.reviews.admission.stores.clone();
        let health_router = health::router(stores, Arc::clone(&readiness), metrics);
        health::start(health, health_router).context("could not start the health server")?;
        let listen = listener.local_addr().context("could not listen")?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, "started");
        let end = async {
            shutdown.await;
            tracing::info!("shutting down");
            readiness.shut_down();
            // The API server sends requests until it has noticed that this replica is not ready.
            tokio::time::sleep(self.drain / 3).await;
        };
        let acceptor = tls_acceptor(self.resolver)?;
        let server = Server {
            tls: Some(acceptor),
            router: router(self.reviews, self.api_servers.clone()),
            limits: self.limits,
            api_servers: self.api_servers,
        };
        server.serve(listener, end, self.drain * 2 / 3).await;
        Ok(())
    }
}
