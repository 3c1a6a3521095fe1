//! `make demo`: a cluster, a stand-in for AWS, the installation and the example of AWS's documentation; then the files as
//! the app sees them.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::cluster::Cluster;
use crate::command::start;
use crate::images::Profile;
use crate::progress::{line, step};
use crate::{install, project, stand_in};

const NAME: &str = "demo";
const NAMESPACE: &str = "demo";
/// A port of the stand-in's own address: no other program listens there.
const PORT: u16 = 4566;

/// Starts everything and shows the files.
pub fn up() -> anyhow::Result<()> {
    step(
        "installing moto, the stand-in for AWS",
        stand_in::install_moto,
    )?;
    let cluster = Cluster::up(NAME)?;
    let shown = show(&cluster);
    if shown.is_err() {
        line("the demo failed; its cluster is left for you to look at, make demo-down removes it");
    }
    shown
}

/// Removes what [`up`] made.
pub fn down() -> anyhow::Result<()> {
    step("removing the demo's cluster", || {
        end_stand_in()?;
        Cluster::down(NAME)
    })
}

fn show(cluster: &Cluster) -> anyhow::Result<()> {
    cluster.load_images(Profile::E2e)?;
    let url = step(
        "starting the stand-in for AWS, with the example's secrets",
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
    let script = "cd /mnt/secrets-store; for file in *; do echo \"$PWD/$file\"; echo \"    $(cat \"$file\")\"; done";
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
        "Look around:
  {typed} -n {NAMESPACE} get pods
  {typed} -n {NAMESPACE} describe pod -l app=web
  {typed} -n {NAMESPACE} logs deployment/web -c aws-secrets-injector
  {typed} -n {NAMESPACE} get secretproviderclass aws-secrets -o yaml
  {typed} -n {} logs {}
What the stand-in for AWS was asked: curl {url}/stand-in/calls
Make it fail: curl {url}/stand-in/faults -d '{{\"when\": {{\"object\": \"MySecret3\"}}, \"kind\": \"drop\"}}'
Remove it all: make demo-down",
        install::NAMESPACE,
        install::DEPLOYMENT,
    ));
    Ok(())
}

fn process_file() -> PathBuf {
    project::target().join("demo/aws-stand-in.pid")
}

/// Starts the stand-in as a process that goes on after this one.
fn start_stand_in(cluster: &Cluster) -> anyhow::Result<String> {
    end_stand_in()?;
    let folder = project::target().join("demo");
    fs::create_dir_all(&folder)?;
    let program = std::env::current_exe().context("where is this program?")?;
    // In the local cluster it runs among the cluster's processes, and ends with them.
    let (mut command, address) = match cluster {
        Cluster::Local(local) => (local.inside(program), IpAddr::V4(local.node_address())),
        _ => (std::process::Command::new(program), cluster.address()),
    };
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
            bail!("the stand-in ended at once:\n{text}");
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    bail!("the stand-in does not start; see {}", log.display())
}

/// Ends the stand-in of an earlier demo, if the process is still that one.
fn end_stand_in() -> anyhow::Result<()> {
    let Ok(process) = fs::read_to_string(process_file()) else {
        return Ok(());
    };
    let command_line = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
    if command_line.contains("aws-stand-in") {
        crate::command::run(std::process::Command::new("kill").arg(&process))?;
    }
    fs::remove_file(process_file()).context("could not remove the record of the stand-in's process")
}
