//! Settings of a node, as files. kind's own image has them in other forms.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context as _;

use super::system::PAUSE;
use crate::programs;

/// Lowering an OOM score requires a capability that root may lack.
const CONTAINERD: &str = r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "PAUSE"
  restrict_oom_score_adj = true
  tolerate_missing_hugepages_controller = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true
"#;
/// The pod network that kind assigns to its first node.
const NETWORK: &str = r#"{"cniVersion": "1.0.0", "name": "kind", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
"#;
/// kind applies this manifest to set up the network. That is already done, but kubectl rejects an empty file.
const DEFAULT_CNI: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bridge-cni, namespace: kube-system}\n";
/// kind applies this manifest as the volume provisioner.
const DEFAULT_STORAGE: &str = "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard}
provisioner: kubernetes.io/no-provisioner
";
/// The machine may have only cgroup v1.
const KUBELET: &str =
    "KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service --fail-cgroupv1=false\n";

/// Writes all settings.
pub(super) fn write(root: &Path) -> anyhow::Result<()> {
    file(root, "kind/version", &programs::kubernetes_version()?)?;
    file(
        root,
        "etc/containerd/config.toml",
        &CONTAINERD.replace("PAUSE", PAUSE),
    )?;
    file(root, "etc/cni/net.d/10-bridge.conflist", NETWORK)?;
    file(root, "kind/manifests/default-cni.yaml", DEFAULT_CNI)?;
    file(root, "kind/manifests/default-storage.yaml", DEFAULT_STORAGE)?;
    file(root, "etc/default/kubelet", KUBELET)?;
    file(
        root,
        "etc/systemd/journald.conf.d/kind.conf",
        "[Journal]\nReadKMsg=no\n",
    )?;
    fs::create_dir_all(root.join("opt/cni"))?;
    symlink("/usr/lib/cni", root.join("opt/cni/bin"))?;
    Ok(())
}

/// Writes a file below a root folder.
pub(super) fn file(root: &Path, path: &str, text: &str) -> anyhow::Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, text).with_context(|| path.display().to_string())
}
