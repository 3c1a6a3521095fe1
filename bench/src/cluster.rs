//! A kind cluster with the release build installed.

use std::net::SocketAddr;

use e2e::images::{self, Profile};
use e2e::progress::step;
use e2e::stand_in::Aws;
use e2e::{Cluster, Kubectl, install, project};

use crate::class::{class, secret};

const NAME: &str = "bench";
/// The namespace of all objects.
pub(crate) const NAMESPACE: &str = "bench";
/// The class of the pods.
pub(crate) const CLASS: &str = "bench";
/// Number of secrets in the class.
const SECRETS: usize = 4;

/// A cluster that is removed on drop.
pub(crate) struct World {
    _cluster: Cluster,
    pub(crate) kubectl: Kubectl,
    aws: Aws,
}

impl World {
    /// Starts the cluster and creates a namespace with a ServiceAccount `web` and a class.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let images = images::start_building(Profile::Release);
        let cluster = Cluster::up(NAME)?;
        cluster.load_images(images)?;
        let aws = Aws::start(SocketAddr::new(cluster.address(), 0), &project::target())?;
        aws.stand_in.keep_answers();
        aws.seed(|seed| async move {
            for index in 0..SECRETS {
                seed.secret(&secret(index), "correct horse battery staple")
                    .await?;
            }
            Ok(())
        })?;
        let kubectl = cluster.kubectl();
        let world = Self {
            _cluster: cluster,
            kubectl,
            aws,
        };
        step(
            "installing: kubectl apply -f manifests/install.yaml",
            || install::install(&world.kubectl, &world.aws.stand_in.url()),
        )?;
        world.kubectl.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n"
        ))?;
        let account = install::service_account("web").replace(
            "metadata:\n",
            &format!("metadata:\n  namespace: {NAMESPACE}\n"),
        );
        world.kubectl.apply(&account)?;
        world
            .kubectl
            .run(&["-n", NAMESPACE, "apply", "-f", &class_file()?])?;
        Ok(world)
    }
}

fn class_file() -> anyhow::Result<String> {
    let folder = project::target().join("bench");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("class.yaml");
    std::fs::write(&file, class(CLASS, SECRETS, 0))?;
    Ok(file.display().to_string())
}

impl Drop for World {
    fn drop(&mut self) {
        if let Err(error) = step("removing the cluster", || Cluster::down(NAME)) {
            e2e::progress::line(&format!("could not remove the cluster: {error:#}"));
        }
    }
}

/// The annotations of a pod that uses the class.
pub(crate) fn annotations() -> serde_json::Value {
    serde_json::json!({"aws-secrets-injector.io/secret-provider-class": CLASS})
}
