//! The AWS stand-in for a cluster: in this process for tests, in a separate one for the demo.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use aws_stand_in::{CommandLine, Seed, StandIn};
use tokio::runtime::Runtime;

use crate::progress::Beside;
use crate::project;

/// The account in the AWS example.
pub const ACCOUNT: &str = "111122223333";
/// Its region.
pub const REGION: &str = "us-east-2";

/// The stand-in with its runtime. The rest of this crate is blocking and needs none.
#[derive(Debug)]
pub struct Aws {
    runtime: Runtime,
    /// The stand-in.
    pub stand_in: StandIn,
}

impl Aws {
    /// Starts it on a free port of an address that pods can reach.
    pub fn start(listen: SocketAddr, target: &std::path::Path) -> anyhow::Result<Self> {
        let runtime = Runtime::new().context("could not start the runtime")?;
        let stand_in = runtime.block_on(StandIn::start(target, listen))?;
        Ok(Self { runtime, stand_in })
    }

    /// Creates objects in the example's account and region.
    pub fn seed<F>(&self, work: impl FnOnce(Seed) -> F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        self.runtime
            .block_on(work(self.stand_in.seed(ACCOUNT, REGION)))
    }

    /// The AWS CLI for the example's account and region.
    pub fn command_line(&self) -> anyhow::Result<CommandLine> {
        let target = project::target();
        let made = self.stand_in.command_line(&target, ACCOUNT, REGION);
        self.runtime.block_on(made)
    }

    /// The secrets of the AWS example.
    pub fn seed_example(&self) -> anyhow::Result<()> {
        self.seed(|seed| async move {
            for (name, value) in crate::install::EXAMPLE_SECRETS {
                seed.secret(name, value).await?;
            }
            Ok(())
        })
    }
}

/// Options of the process that serves the demo.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// The folder for moto.
    #[arg(long)]
    target: PathBuf,
}

/// Serves the example's secrets until the process is stopped.
pub fn serve(args: &Args) -> anyhow::Result<()> {
    let aws = Aws::start(args.listen, &args.target)?;
    aws.seed_example()?;
    println_ready(&aws.stand_in.url());
    loop {
        std::thread::park();
    }
}

/// The line that the demo waits for in the log.
pub const READY: &str = "AWS stand-in ready";

fn println_ready(url: &str) {
    crate::progress::line(&format!("{READY} at {url}"));
}

/// Starts installing moto while the cluster is created.
pub fn start_installing_moto() -> Beside<()> {
    Beside::start("installing moto, the AWS stand-in", || {
        let runtime = Runtime::new().context("could not start the runtime")?;
        runtime.block_on(aws_stand_in::moto::install(&project::target()))?;
        Ok(())
    })
}
