//! `make demo`: starts a cluster and the AWS stand-in, installs everything, deploys the example from the AWS documentation,
//! and prints the files as the app sees them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::command::start;
use crate::images::{self, Profile};
use crate::progress::{Beside, line, step};
use crate::{install, interrupt, project, stand_in};
use cluster::{Cluster, Images};

const NAME: &str = "demo";
const NAMESPACE: &str = "demo";
/// The port of the stand-in. It has its own address, so no other program listens there.
const PORT: u16 = 4566;

/// Starts everything and prints the files.
pub fn up() -> anyhow::Result<()> {
    interrupt::then(|| {
        let removed = end_stand_in().and_then(|()| Cluster::down_for_good(&[NAME]));
        if let Err(error) = removed {
            line(&format!("could not remove the cluster: {error:#}"));
        }
    })?;
    let shown = start_and_show();
    if shown.is_err() {
        interrupt::check();
        if Cluster::find(NAME).is_some() {
            line(
                "the demo failed; the cluster is still running for inspection, remove it with: make demo-down",
            );
        }
    }
    shown
}

fn start_and_show() -> anyhow::Result<()> {
    let images = images::start_building(Profile::Dev);
    let moto = stand_in::start_installing_moto();
    let cluster = Cluster::up(NAME)?;
    moto.finish()?;
    show(&cluster, images)
}

/// Removes what [`up`] created.
pub fn down() -> anyhow::Result<()> {
    step("removing the demo's cluster", || {
        end_stand_in()?;
        Cluster::down(NAME)
    })
}

fn show(cluster: &Cluster, images: Beside<Images>) -> anyhow::Result<()> {
    cluster.load_images(images)?;
    let url = step(
        "starting the AWS stand-in with the example's secrets",
        || start_stand_in(cluster),
    )?;
    let kubectl = cluster.kubectl();
    step(
        "installing: kubectl apply -f manifests/install.yaml",
        || install::install(&kubectl, &url),
    )?;
    step(
        "applying the example: a ServiceAccount, a SecretProviderClass, a Deployment",
        || {
            kubectl.apply(&format!(
                "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n"
            ))?;
            let example = [
                install::service_account("web"),
                install::example_class("v1alpha1"),
                install::example_deployment(),
            ]
            .join("---\n");
            let folder = project::target().join("demo");
            fs::create_dir_all(&folder)?;
            let file = folder.join("example.yaml");
            fs::write(&file, example)?;
            kubectl.run(&["-n", NAMESPACE, "apply", "-f", &file.display().to_string()])?;
            kubectl.run(&[
                "-n",
                NAMESPACE,
                "rollout",
                "status",
                "--timeout=180s",
                "deployment/web",
            ])
        },
    )?;
    line("\nThe files, as the app's container sees them:\n");
    // If a file cannot be read, the demo fails.
    let script = "cd /mnt/secrets-store && for file in *; do text=$(cat \"$file\") || exit 1; echo \"$PWD/$file\"; echo \"    $text\"; done";
    line(&kubectl.run(&[
        "-n",
        NAMESPACE,
        "exec",
        "deployment/web",
        "-c",
        "app",
        "--",
        "sh",
        "-c",
        script,
    ])?);
    let typed = kubectl.typed()?;
    line(&format!(
        "Explore:
  {typed} -n {NAMESPACE} get pods
  {typed} -n {NAMESPACE} describe pod -l app=web
  {typed} -n {NAMESPACE} logs deployment/web -c aws-secrets-injector
  {typed} -n {NAMESPACE} get secretproviderclass aws-secrets -o yaml
  {typed} -n {} logs {}
See the calls to the AWS stand-in: curl {url}/stand-in/calls
Inject a fault: curl {url}/stand-in/faults -d '{{\"when\": {{\"object\": \"MySecret3\"}}, \"kind\": \"drop\"}}'
Remove the demo: make demo-down",
        install::NAMESPACE,
        install::DEPLOYMENT,
    ));
    Ok(())
}

fn process_file() -> PathBuf {
    project::target().join("demo/aws-stand-in.pid")
}

/// Starts the stand-in as a process that outlives this one.
fn start_stand_in(cluster: &Cluster) -> anyhow::Result<String> {
    end_stand_in()?;
    let folder = project::target().join("demo");
    fs::create_dir_all(&folder)?;
    let program = std::env::current_exe().context("could not find the path of this program")?;
    let (mut command, address) = cluster.beside(&program);
    let listen = SocketAddr::new(address, PORT);
    command
        .args(["aws-stand-in", "--listen", &listen.to_string(), "--target"])
        .arg(project::target());
    let log = folder.join("aws-stand-in.log");
    let mut process = start(&mut command, &log)?;
    fs::write(process_file(), process.id().to_string())?;
    for _ in 0..600 {
        let text = fs::read_to_string(&log).unwrap_or_default();
        if text.contains(stand_in::READY) {
            return Ok(format!("http://{listen}"));
        }
        if process.try_wait()?.is_some() {
            bail!("the stand-in exited at startup:\n{text}");
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    bail!("the stand-in did not start; see {}", log.display())
}

/// Stops the stand-in of an earlier demo, if the process ID still belongs to it.
fn end_stand_in() -> anyhow::Result<()> {
    let Ok(process) = fs::read_to_string(process_file()) else {
        return Ok(());
    };
    let command_line = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
    if command_line.contains("aws-stand-in") {
        crate::command::run(std::process::Command::new("kill").arg(&process))?;
    }
    fs::remove_file(process_file()).context("could not remove the stand-in's PID file")
}
