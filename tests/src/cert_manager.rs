//! cert-manager's controllers, as a program next to the cluster. The Go module in `tests/go` pins the version.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

use crate::command::start;
use crate::progress::step;
use crate::{Kubectl, go, project};

const MODULE: &str = "github.com/cert-manager/cert-manager";

/// The folder with the CRDs.
pub fn crds() -> anyhow::Result<PathBuf> {
    let version = go::version(MODULE)?;
    Ok(go::files(&format!("{MODULE}@{version}"))?.join("deploy/crds"))
}

/// The running controllers. They stop when this is dropped or the thread that started them ends.
#[derive(Debug)]
pub struct CertManager {
    process: Child,
    log: PathBuf,
}

impl CertManager {
    /// Starts them for a cluster with the CRDs.
    pub fn start(kubectl: &Kubectl) -> anyhow::Result<Self> {
        let folder = project::target().join("cert-manager");
        fs::create_dir_all(&folder)?;
        let program = step("building cert-manager's controllers", || {
            go::own_tool(go::PROGRAMS, "cert-manager")
        })?;
        let mut command = aws_stand_in::ends_with_this(&program);
        command.arg(kubectl.kubeconfig());
        let log = folder.join("cert-manager.log");
        let process = start(&mut command, &log)?;
        Ok(Self { process, log })
    }

    /// Fails with the log if they have stopped.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.process.try_wait()? {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            anyhow::bail!("cert-manager stopped ({status}):\n{log}");
        }
        Ok(())
    }
}

impl Drop for CertManager {
    fn drop(&mut self) {
        // It may have stopped already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
