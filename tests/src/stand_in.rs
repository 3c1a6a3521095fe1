//! AWS for a cluster: in this process for tests, in one of its own for the demo.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use aws_stand_in::{CommandLine, Seed, StandIn};
use tokio::runtime::Runtime;

use crate::project;

/// The account of AWS's own example.
pub const ACCOUNT: &str = "111122223333";
/// Its region.
pub const REGION: &str = "us-east-2";

/// The stand-in with the runtime that it needs: everything else here waits for programs, and needs none.
#[derive(Debug)]
pub struct Aws {
    runtime: Runtime,
    /// The stand-in.
    pub stand_in: StandIn,
}

impl Aws {
    /// Starts it on any port of an address that pods reach.
    pub fn start(listen: SocketAddr, target: &std::path::Path) -> anyhow::Result<Self> {
        let runtime = Runtime::new().context("could not start the runtime")?;
        let stand_in = runtime.block_on(StandIn::start(target, listen))?;
        Ok(Self { runtime, stand_in })
    }

    /// Puts something into the example's account and region.
    pub fn seed<F>(&self, work: impl FnOnce(Seed) -> F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        self.runtime
            .block_on(work(self.stand_in.seed(ACCOUNT, REGION)))
    }

    /// AWS's command line, for the example's account and region.
    pub fn command_line(&self) -> anyhow::Result<CommandLine> {
        let target = project::target();
        let made = self.stand_in.command_line(&target, ACCOUNT, REGION);
        self.runtime.block_on(made)
    }

    /// The secrets of AWS's own example.
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
    /// Where it is reached.
    #[arg(long)]
    listen: SocketAddr,
    /// The folder for moto.
    #[arg(long)]
    target: PathBuf,
}

/// Serves the example's secrets until the process is ended.
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

/// Installs moto, so that later steps do not wait for it.
pub fn install_moto() -> anyhow::Result<()> {
    let runtime = Runtime::new().context("could not start the runtime")?;
    runtime
        .block_on(aws_stand_in::moto::install(&project::target()))
        .map(drop)
}
