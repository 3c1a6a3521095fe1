//! The programs of a cluster, and their settings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::namespace::Namespace;
use super::pki::{Pki, Subject};
use crate::command::start as start_process;
use crate::images;
use crate::kubectl::Kubectl;

const NODE: &str = "e2e-node";
/// What a cloud provider would say.
const REGION: &str = "us-east-2";
const PODS: &str = "10.244.0.0/16";
const SERVICES: &str = "10.96.0.0/16";
/// Debian's folder of CNI plugins.
const CNI_PLUGINS: &str = "/usr/lib/cni";

/// The kubeconfig of a cluster's administrator.
pub(super) fn kubeconfig(folder: &Path) -> PathBuf {
    folder.join("kubeconfig")
}

/// Starts all programs; they find each other as they come up.
pub(super) fn start(
    namespace: &Namespace,
    programs: &Path,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let pki = Pki::create(&folder.join("pki"))?;
    let node = namespace.node_address();
    pki.server("apiserver", node)?;
    pki.client(
        "admin",
        &Subject {
            user: "e2e-admin",
            group: "system:masters",
        },
    )?;
    pki.client(
        "node",
        &Subject {
            user: &format!("system:node:{NODE}"),
            group: "system:nodes",
        },
    )?;
    let admin = kubeconfig(folder);
    pki.kubeconfig(&admin, "admin", node)?;
    let node_config = folder.join("node.kubeconfig");
    pki.kubeconfig(&node_config, "node", node)?;
    let cluster = Programs {
        namespace,
        binaries: programs,
        folder,
        pki: &pki,
        admin: &admin,
        node_config: &node_config,
    };
    cluster.etcd()?;
    cluster.containerd()?;
    cluster.apiserver()?;
    // The others give up if they have to wait too long for it.
    let kubectl = Kubectl::new(&admin);
    kubectl.wait_until("the API server is ready", || {
        Ok(kubectl.run(&["get", "--raw", "/readyz"])?.trim() == "ok")
    })?;
    cluster.controller_manager()?;
    cluster.scheduler()?;
    cluster.kubelet()?;
    cluster.proxy()?;
    Ok(admin)
}

struct Programs<'a> {
    namespace: &'a Namespace,
    binaries: &'a Path,
    folder: &'a Path,
    pki: &'a Pki,
    admin: &'a Path,
    node_config: &'a Path,
}

impl Programs<'_> {
    fn start(&self, name: &str, command: &mut Command) -> anyhow::Result<()> {
        start_process(command, &self.folder.join(format!("{name}.log"))).map(drop)
    }

    /// A program of Kubernetes with its flags.
    fn kubernetes(&self, name: &str, flags: &[(&str, String)]) -> anyhow::Result<()> {
        let mut command = self.namespace.command(self.binaries.join(name));
        command.args(
            flags
                .iter()
                .map(|(flag, value)| format!("--{flag}={value}")),
        );
        self.start(name, &mut command)
    }

    /// Writes a settings file; JSON is YAML.
    fn settings(&self, name: &str, settings: &serde_json::Value) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        fs::write(&path, format!("{settings:#}"))?;
        Ok(path.display().to_string())
    }

    fn data(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn pki(&self, name: &str) -> String {
        self.pki.path(name).display().to_string()
    }

    fn etcd(&self) -> anyhow::Result<()> {
        let mut etcd = self.namespace.command("etcd");
        // The cluster's life is short: nothing of it has to survive the machine.
        etcd.args(["--unsafe-no-fsync", "--data-dir", &self.data("etcd")]);
        self.start("etcd", &mut etcd)
    }

    fn containerd(&self) -> anyhow::Result<()> {
        let cni = self.folder.join("cni");
        fs::create_dir_all(&cni)?;
        let network = json!({
            "cniVersion": "1.0.0",
            "name": "e2e",
            "plugins": [
                {
                    "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                    "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        });
        fs::write(cni.join("10-e2e.conflist"), network.to_string())?;
        let config = format!(
            "version = 2
root = {root:?}
state = \"/run/containerd\"
[plugins.\"io.containerd.grpc.v1.cri\"]
  # Lowering the score takes a capability that root may lack.
  restrict_oom_score_adj = true
  sandbox_image = {pause:?}
[plugins.\"io.containerd.grpc.v1.cri\".cni]
  bin_dir = {CNI_PLUGINS:?}
  conf_dir = {cni:?}
",
            root = self.data("containerd"),
            pause = images::PAUSE,
            cni = cni.display().to_string(),
        );
        let path = self.folder.join("containerd.toml");
        fs::write(&path, config)?;
        let mut containerd = self.namespace.command("containerd");
        self.start("containerd", containerd.arg("--config").arg(path))
    }

    fn apiserver(&self) -> anyhow::Result<()> {
        self.kubernetes(
            "kube-apiserver",
            &[
                (
                    "advertise-address",
                    self.namespace.node_address().to_string(),
                ),
                ("allow-privileged", "true".to_owned()),
                ("authorization-mode", "Node,RBAC".to_owned()),
                ("client-ca-file", self.pki("ca.crt")),
                ("enable-admission-plugins", "NodeRestriction".to_owned()),
                // A webhook's Service is dialled at its endpoints: kube-proxy need not be up for it.
                ("enable-aggregator-routing", "true".to_owned()),
                ("etcd-servers", "http://127.0.0.1:2379".to_owned()),
                ("kubelet-client-certificate", self.pki("admin.crt")),
                ("kubelet-client-key", self.pki("admin.key")),
                ("kubelet-preferred-address-types", "InternalIP".to_owned()),
                (
                    "service-account-issuer",
                    "https://kubernetes.default.svc.cluster.local".to_owned(),
                ),
                ("service-account-key-file", self.pki("service-account.pub")),
                (
                    "service-account-signing-key-file",
                    self.pki("service-account.key"),
                ),
                ("service-cluster-ip-range", SERVICES.to_owned()),
                ("tls-cert-file", self.pki("apiserver.crt")),
                ("tls-private-key-file", self.pki("apiserver.key")),
            ],
        )
    }

    fn controller_manager(&self) -> anyhow::Result<()> {
        self.kubernetes(
            "kube-controller-manager",
            &[
                ("kubeconfig", self.admin.display().to_string()),
                ("leader-elect", "false".to_owned()),
                ("root-ca-file", self.pki("ca.crt")),
                (
                    "service-account-private-key-file",
                    self.pki("service-account.key"),
                ),
                ("use-service-account-credentials", "true".to_owned()),
            ],
        )
    }

    fn scheduler(&self) -> anyhow::Result<()> {
        let flags = [
            ("kubeconfig", self.admin.display().to_string()),
            ("leader-elect", "false".to_owned()),
        ];
        self.kubernetes("kube-scheduler", &flags)
    }

    fn kubelet(&self) -> anyhow::Result<()> {
        let settings = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": false}, "x509": {"clientCAFile": self.pki("ca.crt")}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.namespace.cgroup()),
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "enforceNodeAllocatable": [],
            "evictionHard": {},
            "failCgroupV1": false,
            "failSwapOn": false,
            "fileCheckFrequency": "5s",
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": self.data("pod-logs"),
            "registerNode": true,
            "volumePluginDir": self.data("volume-plugins"),
        });
        let settings = self.settings("kubelet.json", &settings)?;
        self.kubernetes(
            "kubelet",
            &[
                ("cert-dir", self.data("kubelet-pki")),
                ("config", settings),
                ("hostname-override", NODE.to_owned()),
                ("kubeconfig", self.node_config.display().to_string()),
                ("node-ip", self.namespace.node_address().to_string()),
                (
                    "node-labels",
                    format!("topology.kubernetes.io/region={REGION}"),
                ),
                ("root-dir", self.data("kubelet")),
            ],
        )
    }

    fn proxy(&self) -> anyhow::Result<()> {
        let settings = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": self.admin.display().to_string()},
            "clusterCIDR": PODS,
            // Those settings are the machine's, not the cluster's.
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "hostnameOverride": NODE,
            "mode": "iptables",
        });
        let settings = self.settings("kube-proxy.json", &settings)?;
        self.kubernetes("kube-proxy", &[("config", settings)])
    }
}
