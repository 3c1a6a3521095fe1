//! What a user does to a cluster, as a user does it: by kubectl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

use crate::cluster::Local;
use crate::command::run;
use crate::project;

/// How long a condition may take to come true. Generous: a slow machine is not a failed test.
const PATIENCE: Duration = Duration::from_mins(3);

/// kubectl with one kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// For a kubeconfig.
    pub fn new(kubeconfig: &Path) -> Self {
        Self {
            kubeconfig: kubeconfig.to_owned(),
        }
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(Local::kubectl_program()?);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        // Not the ambient configuration, in any way.
        command.env_remove("KUBECONFIG");
        Ok(command)
    }

    /// A client of the API server, for what kubectl is too slow for.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// What a person types to get the same.
    pub fn typed(&self) -> anyhow::Result<String> {
        Ok(format!(
            "{} --kubeconfig {}",
            Local::kubectl_program()?.display(),
            self.kubeconfig.display()
        ))
    }

    /// The kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl; what it printed.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(self.command()?.args(arguments))
    }

    /// `get … -o json`.
    pub fn get(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let text = self.run(&[&["get", "-o", "json"], arguments].concat())?;
        serde_json::from_str(&text).context("kubectl printed no JSON")
    }

    /// `apply -f -`; what it printed, or why it was refused.
    pub fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        self.with_input("apply", manifest)
    }

    /// `create -f -`, which says no more than the API server.
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

    /// Asks until the answer is yes; an error counts as no, and is told at the end.
    pub fn wait_until(
        &self,
        what: &str,
        condition: impl Fn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let last = match condition() {
                Ok(true) => return Ok(()),
                Ok(false) => None,
                Err(error) => Some(error),
            };
            if started.elapsed() > PATIENCE {
                let why = last.map(|error| format!(": {error:#}")).unwrap_or_default();
                bail!("waited {} s in vain until {what}{why}", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
