//! Programs of PyPI, each in a folder of its own, installed once for each version.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tokio::sync::Mutex;

/// A package, as pip names it.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    /// What is installed with it, in brackets.
    pub(crate) extra: &'static str,
    pub(crate) version: &'static str,
}

impl Package {
    /// The folder with its scripts, below the build's own folder. Scripts name their interpreter by a path that is none any
    /// more, so they are run by the `python3` beside them and not by their name.
    pub(crate) async fn install(&self, target: &Path) -> anyhow::Result<PathBuf> {
        // Tests of one process all want it at the same moment.
        static INSTALLING: Mutex<()> = Mutex::const_new(());
        let _installing = INSTALLING.lock().await;
        let all = target.join(self.name);
        let folder = all.join(self.version);
        if !folder.exists() {
            let unfinished = all.join(format!("{}.{}", self.version, std::process::id()));
            let done = self.install_into(&unfinished).await;
            // Where it cannot be renamed, another process was faster.
            if done.is_err() || std::fs::rename(&unfinished, &folder).is_err() {
                let _ = std::fs::remove_dir_all(&unfinished);
            }
            done?;
        }
        Ok(folder.join("bin"))
    }

    async fn install_into(&self, folder: &Path) -> anyhow::Result<()> {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder)).await?;
        let package = format!("{}{}=={}", self.name, self.extra, self.version);
        let pip = ["-m", "pip", "install", "--quiet"];
        let mut python = Command::new(folder.join("bin/python3"));
        python
            .args(pip)
            .args(["--disable-pip-version-check", &package]);
        run(&mut python).await
    }
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("could not run {:?}", command.as_std()))?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{:?} failed: {log}",
        command.as_std()
    );
    Ok(())
}
