//! A kind cluster with the release build installed, and a namespace with a class.

use std::net::SocketAddr;

use e2e::images::{self, Profile};
use e2e::progress::{line, step};
use e2e::stand_in::{self, Aws};
use e2e::{Cluster, Kubectl, install, project};
use serde_json::{Value, json};

use crate::stage::class;

/// A cluster that is removed on drop.
pub(crate) struct World {
    pub(crate) kubectl: Kubectl,
    pub(crate) aws: Aws,
    /// Name of the cluster, the namespace and the class.
    pub(crate) name: &'static str,
    _removal: Removal,
}

/// Removes the cluster of this name on drop.
struct Removal(&'static str);

impl World {
    /// Starts the cluster, and creates the class with these secrets and a ServiceAccount with a role.
    pub(crate) fn start(name: &'static str, secrets: &[String]) -> anyhow::Result<Self> {
        let images = images::start_building(Profile::Release);
        let moto = stand_in::start_installing_moto();
        let removal = Removal(name);
        let cluster = Cluster::up(name)?;
        cluster.load_images(images)?;
        moto.finish()?;
        let aws = Aws::start(SocketAddr::new(cluster.address(), 0), &project::target())?;
        aws.seed(|seed| async move {
            for secret in secrets {
                seed.secret(secret, "correct horse battery staple").await?;
            }
            Ok(())
        })?;
        let kubectl = cluster.kubectl();
        step(
            "installing: kubectl apply -f manifests/install.yaml",
            || install::install(&kubectl, &aws.stand_in.url()),
        )?;
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        kubectl.apply(&namespace.to_string())?;
        let world = Self {
            kubectl,
            aws,
            name,
            _removal: removal,
        };
        world.apply(&install::service_account("default"))?;
        world.apply(&class(name, secrets).to_string())?;
        Ok(world)
    }

    /// Applies a manifest in the namespace.
    pub(crate) fn apply(&self, manifest: &str) -> anyhow::Result<()> {
        let file = project::target().join(format!("{}.yaml", self.name));
        std::fs::write(&file, manifest)?;
        let apply = ["-n", self.name, "apply", "-f", &file.display().to_string()];
        self.kubectl.run(&apply).map(drop)
    }

    /// The annotations of a pod that uses the class.
    pub(crate) fn annotations(&self) -> Value {
        json!({"aws-secrets-injector.io/secret-provider-class": self.name})
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if let Err(error) = step("removing the cluster", || Cluster::down(self.0)) {
            line(&format!("could not remove the cluster: {error:#}"));
        }
    }
}
