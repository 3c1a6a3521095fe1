//! AWS's own command line, on the stand-in.

use std::path::{Path, PathBuf};

use crate::Seed;
use crate::python::Package;

/// The release that is taken.
const VERSION: &str = "1.46.3";

/// AWS's command line, with somebody's rights to an account.
#[derive(Debug)]
pub struct CommandLine {
    /// The interpreter, and the script for it.
    pub program: [PathBuf; 2],
    /// The environment by which it asks the stand-in, past the record and the faults.
    pub environment: Vec<(&'static str, String)>,
}

impl CommandLine {
    pub(crate) async fn new(target: &Path, seed: &Seed) -> anyhow::Result<Self> {
        let package = Package {
            name: "awscli",
            extra: "",
            version: VERSION,
        };
        let folder = package.install(target).await?;
        Ok(Self {
            program: [folder.join("python3"), folder.join("aws")],
            environment: vec![
                ("AWS_ENDPOINT_URL", seed.url()),
                ("AWS_ACCESS_KEY_ID", seed.access_key().await?.clone()),
                // moto looks at no signature.
                ("AWS_SECRET_ACCESS_KEY", "none".to_owned()),
                ("AWS_DEFAULT_REGION", seed.region().to_owned()),
            ],
        })
    }
}
