//! Access to a cluster with kubectl, as a user does it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

use crate::command::run;
use crate::{programs, project};

/// Time limit for a condition. It is long, so that tests do not fail on slow machines.
const PATIENCE: Duration = Duration::from_mins(3);

/// Pauses between two looks. Many scenarios wait at the same time, and each look takes a tenth of a second of a processor.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// kubectl with a kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Uses this kubeconfig.
    pub fn new(kubeconfig: &Path) -> Self {
        Self {
            kubeconfig: kubeconfig.to_owned(),
        }
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(programs::kubectl()?);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        // Ignore the ambient configuration.
        command.env_remove("KUBECONFIG");
        Ok(command)
    }

    /// A client for the API server, where kubectl is too slow.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// The equivalent command line for a person.
    pub fn typed(&self) -> anyhow::Result<String> {
        Ok(format!(
            "{} --kubeconfig {}",
            programs::kubectl()?.display(),
            self.kubeconfig.display()
        ))
    }

    /// The kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl and returns its output.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(self.command()?.args(arguments))
    }

    /// `get … -o json`.
    pub fn get(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let text = self.run(&[&["get", "-o", "json"], arguments].concat())?;
        serde_json::from_str(&text).context("kubectl did not print JSON")
    }

    /// Runs `apply -f -`. Returns its output, or the reason of a refusal.
    pub fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        self.with_input("apply", manifest)
    }

    /// Runs `create -f -`, which adds nothing to the API server's message.
    pub fn create(&self, manifest: &str) -> anyhow::Result<String> {
        self.with_input("create", manifest)
    }

    fn with_input(&self, verb: &str, manifest: &str) -> anyhow::Result<String> {
        let folder = project::target().join("manifests");
        fs::create_dir_all(&folder)?;
        let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "");
        let file = folder.join(format!("{}-{thread}.yaml", std::process::id()));
        fs::write(&file, manifest)?;
        let result = run(self
            .command()?
            .args([verb, "-f"])
            .arg(&file)
            .stdin(Stdio::null()));
        let _ = fs::remove_file(&file);
        result
    }

    /// Waits until the condition is true. An error counts as false; the last one is reported on timeout.
    pub fn wait_until(
        &self,
        what: &str,
        condition: impl Fn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let last = match condition() {
                Ok(true) => return Ok(()),
                Ok(false) => None,
                Err(error) => Some(error),
            };
            if started.elapsed() > PATIENCE {
                let why = last.map(|error| format!(": {error:#}")).unwrap_or_default();
                bail!(
                    "timed out after {} s waiting until {what}{why}",
                    PATIENCE.as_secs()
                );
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
