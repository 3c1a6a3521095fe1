//! Programs from PyPI, each in its own folder, installed once per version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tokio::sync::Mutex;

/// The package name for pip.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Packages of which it imports something, but does not require them by itself.
    pub(crate) with: &'static [&'static str],
}

impl Package {
    /// The folder with its scripts, in the build folder. If the build folder is moved, the scripts refer to an interpreter that
    /// does not exist, so run them with the `python3` next to them.
    pub(crate) async fn install(&self, target: &Path) -> anyhow::Result<PathBuf> {
        // Several tests of one process may need it at the same time.
        static INSTALLING: Mutex<()> = Mutex::const_new(());
        let _installing = INSTALLING.lock().await;
        let all = target.join(self.name);
        let folder = all.join(self.version);
        if !folder.exists() {
            let unfinished = all.join(format!("{}.{}", self.version, std::process::id()));
            let done = self.install_into(&unfinished, &folder).await;
            // If it cannot be renamed, another process was faster.
            if done.is_err() || std::fs::rename(&unfinished, &folder).is_err() {
                let _ = std::fs::remove_dir_all(&unfinished);
            }
            done?;
        }
        Ok(folder.join("bin"))
    }

    /// Installs into a folder that will be renamed.
    async fn install_into(&self, folder: &Path, renamed: &Path) -> anyhow::Result<()> {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder)).await?;
        let package = format!("{}=={}", self.name, self.version);
        // Python compiles the modules that it imports; all of them would take twice as long as the installation.
        let pip = ["-m", "pip", "install", "--quiet", "--no-compile"];
        let mut python = Command::new(folder.join("bin/python3"));
        python
            .args(pip)
            .args(["--disable-pip-version-check", &package])
            .args(self.with);
        run(&mut python).await?;
        name_interpreter(&folder.join("bin"), folder, renamed)
    }
}

/// Scripts start with the path of their interpreter, in the folder's final name.
fn name_interpreter(scripts: &Path, folder: &Path, renamed: &Path) -> anyhow::Result<()> {
    let (old, new) = (folder.display().to_string(), renamed.display().to_string());
    for script in fs::read_dir(scripts)?.flatten() {
        let is_file = script.file_type()?.is_file();
        // Binary programs refer to no interpreter.
        let Ok(text) = fs::read_to_string(script.path()) else {
            continue;
        };
        if is_file && text.contains(&old) {
            fs::write(script.path(), text.replace(&old, &new))
                .with_context(|| script.path().display().to_string())?;
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_name_the_interpreter_of_the_renamed_folder() {
        let folder = std::env::temp_dir().join(format!("python-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let script = folder.join("moto_server");
        fs::write(&script, "#!/target/moto/1.77/bin/python3\nimport moto\n").unwrap();
        let old = Path::new("/target/moto/1.77");
        name_interpreter(&folder, old, Path::new("/target/moto/1")).unwrap();
        let text = fs::read_to_string(&script).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(text, "#!/target/moto/1/bin/python3\nimport moto\n");
    }
}
