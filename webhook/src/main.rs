//! `aws-secrets-webhook`: the mutating admission webhook that adds the injector to annotated pods.

use std::process::ExitCode;

use anyhow::Context as _;
use aws_secrets_webhook::server::listen;
use aws_secrets_webhook::{Args, Webhook};
use clap::Parser as _;
use kube::Client;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Threads for reviews. Each can take some megabytes while it parses a class, and four answer more reviews than an API server asks.
const MOST_THREADS: usize = 4;

fn main() -> ExitCode {
    let args = Args::parse();
    args.start_logging();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(processors.min(MOST_THREADS))
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    runtime.block_on(serve(args))
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    let terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let client = Client::try_default()
        .await
        .context("could not configure the Kubernetes client")?;
    let health = listen(args.health_listen).await?;
    let listener = listen(args.listen).await?;
    Webhook::new(args, client)
        .serve(listener, health, either(terminate, interrupt))
        .await
}

/// Completes when one of the signals arrives.
async fn either(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
