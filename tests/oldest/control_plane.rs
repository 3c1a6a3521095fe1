//! etcd and an API server as processes on this machine, with no nodes and no controllers.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use aws_stand_in::ends_with_this;
use e2e::Kubectl;
use e2e::cluster::{etcd, oldest_api_server};
use e2e::command::start;
use rcgen::KeyPair;
use serde_json::json;
use tempfile::TempDir;

/// The token of the administrator. Nothing runs in this cluster, so it protects nothing.
const ADMIN: &str = "admin";

/// Time limit for the start. It is long, so that the tests do not fail on slow machines.
const PATIENCE: Duration = Duration::from_mins(3);

/// A running API server. It stops when this is dropped or the thread that started it ends.
pub(crate) struct ControlPlane {
    server: String,
    processes: Vec<Process>,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts an API server that connects to webhooks through the proxy on a Unix socket: there is no network of Services.
    pub(crate) fn start(proxy: &Path) -> anyhow::Result<Self> {
        // fsync is off, so etcd needs no disk of its own.
        let folder = TempDir::new()?;
        let [etcd_port, api_port] = free_ports()?;
        let server = format!("https://127.0.0.1:{api_port}");
        let mut plane = Self {
            server,
            processes: Vec::new(),
            folder,
        };
        let store = format!("http://127.0.0.1:{etcd_port}");
        plane.start_etcd(&store)?;
        plane.start_api_server(&store, api_port, proxy)?;
        plane.wait()?;
        Ok(plane)
    }

    /// kubectl of the administrator.
    pub(crate) fn admin(&self) -> anyhow::Result<Kubectl> {
        self.kubectl("admin", ADMIN)
    }

    /// kubectl with a token.
    pub(crate) fn kubectl(&self, name: &str, token: &str) -> anyhow::Result<Kubectl> {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {
                "server": self.server, "certificate-authority": self.path("certificates/apiserver.crt"),
            }}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        });
        let file = self.path(&format!("{name}.kubeconfig"));
        fs::write(&file, kubeconfig.to_string())?;
        Ok(Kubectl::new(&file))
    }

    fn start_etcd(&mut self, store: &str) -> anyhow::Result<()> {
        let data = self.path("etcd").display().to_string();
        let arguments = [
            format!("--data-dir={data}"),
            format!("--listen-client-urls={store}"),
            format!("--advertise-client-urls={store}"),
            "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
            "--unsafe-no-fsync".to_owned(),
        ];
        self.run(&etcd()?, &arguments)
    }

    fn start_api_server(&mut self, store: &str, port: u16, proxy: &Path) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        let public_key = self.written("tokens.pub", &key.public_key_pem())?;
        let key = self.written("tokens.key", &key.serialize_pem())?;
        let users = format!("{ADMIN},{ADMIN},{ADMIN},system:masters\n");
        let users = self.written("users.csv", &users)?;
        let egress = json!({
            "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": {
                "proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": proxy}},
            }}],
        });
        let egress = self.written("egress.json", &egress.to_string())?;
        let certificates = self.path("certificates").display().to_string();
        let arguments = [
            format!("--etcd-servers={store}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={certificates}"),
            format!("--token-auth-file={users}"),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={public_key}"),
            format!("--service-account-signing-key-file={key}"),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            format!("--egress-selector-config-file={egress}"),
        ];
        self.run(&oldest_api_server()?, &arguments)
    }

    fn run(&mut self, program: &Path, arguments: &[String]) -> anyhow::Result<()> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = self.path(&format!("{name}.log"));
        let child = start(ends_with_this(program).args(arguments), &log)?;
        self.processes.push(Process { child, log });
        Ok(())
    }

    /// Waits until the API server is ready.
    fn wait(&mut self) -> anyhow::Result<()> {
        let kubectl = self.admin()?;
        let started = Instant::now();
        while let Err(error) = kubectl.run(&["get", "--raw", "/readyz"]) {
            for process in &mut self.processes {
                process.check()?;
            }
            if started.elapsed() > PATIENCE {
                return Err(error.context("the API server did not become ready"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn written(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let file = self.path(name);
        fs::write(&file, text)?;
        Ok(file.display().to_string())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A running process. It stops when this is dropped.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Fails with the log if it has ended.
    fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            anyhow::bail!("{} ended ({status}):\n{log}", self.log.display());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports of this machine that no program listens on.
fn free_ports() -> anyhow::Result<[u16; 2]> {
    let [first, second] = [
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    ];
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}
