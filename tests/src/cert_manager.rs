//! cert-manager's controllers, of the version that the Go module in `tests/cert-manager` pins: as programs beside the cluster.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

use crate::command::start;
use crate::progress::step;
use crate::{Kubectl, go, project};

const MODULE: &str = "github.com/cert-manager/cert-manager";

fn source() -> PathBuf {
    project::root().join("tests/cert-manager")
}

/// The folder with the CRDs.
pub fn crds() -> anyhow::Result<PathBuf> {
    let version = go::required(&source(), MODULE)?;
    Ok(go::files(&format!("{MODULE}@{version}"))?.join("deploy/crds"))
}

/// The controllers, until this is dropped or the thread that started them ends.
#[derive(Debug)]
pub struct CertManager {
    process: Child,
    log: PathBuf,
}

impl CertManager {
    /// Starts them on a cluster that has the CRDs.
    pub fn start(kubectl: &Kubectl) -> anyhow::Result<Self> {
        let folder = project::target().join("cert-manager");
        fs::create_dir_all(&folder)?;
        let program = folder.join("cert-manager");
        step("building cert-manager's controllers", || {
            go::build(&source(), ".", "-s -w", &program)
        })?;
        let mut command = aws_stand_in::ends_with_this(&program);
        command.arg(kubectl.kubeconfig());
        let log = folder.join("cert-manager.log");
        let process = start(&mut command, &log)?;
        Ok(Self { process, log })
    }

    /// An error, with the log, if they have ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.process.try_wait()? {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            anyhow::bail!("cert-manager ended ({status}):\n{log}");
        }
        Ok(())
    }
}

impl Drop for CertManager {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
