//! Certificates of a cluster, and kubeconfigs that carry them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};

/// The API server's address as pods see it: the first of the Services' network.
pub(super) const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// A cluster's authority, and the folder with all that it signed.
pub(super) struct Pki {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// Who a client certificate is.
pub(super) struct Subject<'a> {
    /// User.
    pub(super) user: &'a str,
    /// Group.
    pub(super) group: &'a str,
}

impl Pki {
    pub(super) fn create(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "e2e");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let pki = Self {
            folder: folder.to_owned(),
            authority,
        };
        pki.write("ca.crt", &pki.authority.pem())?;
        let tokens = KeyPair::generate()?;
        pki.write("service-account.key", &tokens.serialize_pem())?;
        pki.write("service-account.pub", &tokens.public_key_pem())?;
        Ok(pki)
    }

    /// A file of the folder.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// `NAME.crt` and `NAME.key` for a server at the node's address.
    pub(super) fn server(&self, name: &str, node: Ipv4Addr) -> anyhow::Result<()> {
        let names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let mut params = CertificateParams::new(names.map(str::to_owned).to_vec())?;
        for address in [node, SERVICE_ADDRESS, Ipv4Addr::LOCALHOST] {
            params
                .subject_alt_names
                .push(SanType::IpAddress(IpAddr::V4(address)));
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(name, &params)
    }

    /// `NAME.crt` and `NAME.key` for a client.
    pub(super) fn client(&self, name: &str, subject: &Subject<'_>) -> anyhow::Result<()> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, subject.user);
        params
            .distinguished_name
            .push(DnType::OrganizationName, subject.group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, &params)
    }

    fn sign(&self, name: &str, params: &CertificateParams) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.authority)?;
        self.write(&format!("{name}.crt"), &certificate.pem())?;
        self.write(&format!("{name}.key"), &key.serialize_pem())
    }

    /// A kubeconfig with a client certificate of [`Pki::client`].
    pub(super) fn kubeconfig(
        &self,
        file: &Path,
        client: &str,
        server: Ipv4Addr,
    ) -> anyhow::Result<()> {
        let path = |name: String| self.folder.join(name).display().to_string();
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": {"server": format!("https://{server}:6443"), "certificate-authority": path("ca.crt".to_owned())}}],
            "users": [{"name": client, "user": {"client-certificate": path(format!("{client}.crt")), "client-key": path(format!("{client}.key"))}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": client}}],
            "current-context": "e2e",
        });
        write(file, &config.to_string())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        write(&self.folder.join(name), text)
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("could not write {}", path.display()))
}
