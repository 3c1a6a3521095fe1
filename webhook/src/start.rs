//! Starts everything, and ends it in order.

use std::sync::Arc;

use anyhow::Context as _;
use certs::{Keeper, Resolver};
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};

use crate::Args;
use crate::admission::Admission;
use crate::health;
use crate::listen::listen;
use crate::metrics::Metrics;
use crate::panics::spawn_vital;
use crate::parsed::ParsedClasses;
use crate::readiness::Readiness;
use crate::region::DefaultRegion;
use crate::router::{Reviews, router};
use crate::server::{serve_tls, tls_acceptor};
use crate::sidecars::Sidecars;
use crate::stores::Stores;

/// Runs the webhook until SIGTERM.
pub fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let client = Client::try_default()
        .await
        .context("no way to the API server")?;
    let resolver = Arc::new(Resolver::default());
    let keeper = Keeper::new(args.certificates(&client), Arc::clone(&resolver));
    let certificates = keeper.status();
    spawn_vital(keeper.run());
    let stores = Stores::start(&client);
    let readiness = Arc::new(Readiness::new(stores.clone(), certificates));
    let metrics = Arc::<Metrics>::default();

    let health = listen(args.health_listen).await?;
    let listener = listen(args.listen).await?;
    let health_router =
        health::router(stores.clone(), Arc::clone(&readiness), Arc::clone(&metrics));
    spawn_vital(health::serve(health, health_router));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %args.listen, "started");

    let admission = Admission {
        stores,
        parsed: ParsedClasses::default(),
        region: DefaultRegion::new(args.region.clone(), client.clone()),
        sidecars: Sidecars::new(client),
        settings: args.settings(),
    };
    let reviews = Reviews {
        admission,
        metrics,
        readiness: Arc::clone(&readiness),
    };
    let end = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
        readiness.end();
        // The API server sends requests until it has noticed that this replica is not ready any more.
        tokio::time::sleep(args.drain / 3).await;
    };
    serve_tls(
        listener,
        tls_acceptor(resolver)?,
        router(reviews),
        end,
        args.drain * 2 / 3,
    )
    .await;
    Ok(())
}
