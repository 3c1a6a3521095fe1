//! The AWS CLI for the stand-in.

use std::path::{Path, PathBuf};

use crate::Seed;
use crate::python::Package;

/// The pinned release.
const VERSION: &str = "1.46.3";

/// The AWS CLI with credentials for an account.
#[derive(Debug)]
pub struct CommandLine {
    /// The interpreter, and the script for it.
    pub program: [PathBuf; 2],
    /// The environment that points it to the stand-in, bypassing the record and the faults.
    pub environment: Vec<(&'static str, String)>,
}

impl CommandLine {
    pub(crate) async fn new(target: &Path, seed: &Seed) -> anyhow::Result<Self> {
        let package = Package {
            name: "awscli",
            version: VERSION,
            with: &[],
        };
        let folder = package.install(target).await?;
        Ok(Self {
            program: [folder.join("python3"), folder.join("aws")],
            environment: vec![
                ("AWS_ENDPOINT_URL", seed.url()),
                ("AWS_ACCESS_KEY_ID", seed.access_key().await?.clone()),
                // moto does not verify signatures.
                ("AWS_SECRET_ACCESS_KEY", "none".to_owned()),
                ("AWS_DEFAULT_REGION", seed.region().to_owned()),
            ],
        })
    }
}
