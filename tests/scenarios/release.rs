//! A release of the chart of a scenario's own, which it may change, break and remove while others run. The shared installation
//! leaves namespaces with the label `own-release` alone.

use e2e::helm::{chart, helm};
use e2e::install::{self, example_class, service_account};

use crate::world::{Namespace, World};

/// An installed release. It is uninstalled when dropped.
pub(crate) struct Release<'a> {
    /// The namespace of the webhook. The release is named like it.
    pub(crate) namespace: Namespace<'a>,
    /// The namespace whose pods it injects. It has the example's class.
    pub(crate) apps: Namespace<'a>,
}

/// The values of a release that serves only the namespaces of its own label.
pub(crate) fn values(world: &World, name: &str) -> String {
    let own = format!("webhook.namespaceSelector.matchLabels.own-release={name}");
    format!("{},{own}", install::values(&world.aws.stand_in.url()))
}

/// A namespace whose pods only this release injects.
pub(crate) fn apps<'a>(world: &'a World, name: &str) -> Namespace<'a> {
    let label = format!("own-release: {name}");
    world.namespace_with(&format!("{name}-apps"), &label)
}

impl<'a> Release<'a> {
    /// Installs one with additional values.
    pub(crate) fn install(world: &'a World, name: &str, more: &str) -> Self {
        let namespace = world.namespace(name);
        let apps = apps(world, name);
        apps.apply(&[&service_account("default"), &example_class("v1")])
            .unwrap();
        let values = [&values(world, name), more].join(",");
        let chart = chart().display().to_string();
        let install = ["install", name, &chart, "--namespace", name];
        let options = ["--wait", "--timeout", "3m", "--set", &values];
        helm(Some(&world.kubectl), &[&install[..], &options].concat()).unwrap();
        Self { namespace, apps }
    }

    /// The name of its objects.
    pub(crate) fn fullname(&self) -> String {
        format!("{}-aws-secrets-injector", self.namespace.name)
    }

    pub(crate) fn deployment(&self) -> String {
        format!("deployment/{}", self.fullname())
    }

    /// Its configuration for pods.
    pub(crate) fn configuration(&self) -> String {
        format!("mutatingwebhookconfiguration/{}", self.fullname())
    }

    /// The names of the webhook's pods.
    pub(crate) fn replicas(&self) -> anyhow::Result<Vec<String>> {
        let names = "jsonpath={.items[*].metadata.name}";
        let pods = self.namespace.kubectl(&["get", "pods", "-o", names])?;
        Ok(pods.split_whitespace().map(str::to_owned).collect())
    }

    /// Replaces all replicas and waits until the new ones are ready.
    pub(crate) fn restart(&self) {
        let restart = ["rollout", "restart", &self.deployment()];
        self.namespace.kubectl(&restart).unwrap();
        self.wait();
    }

    /// Waits until all replicas are ready.
    pub(crate) fn wait(&self) {
        let status = ["rollout", "status", "--timeout=180s", &self.deployment()];
        if let Err(error) = self.namespace.kubectl(&status) {
            let pods = self.namespace.kubectl(&["describe", "pods"]);
            panic!("{error:#}\n{}", pods.unwrap_or_default());
        }
    }
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        // What a failed scenario leaves shows why; its configurations concern no other namespace.
        if std::thread::panicking() {
            return;
        }
        let name = &self.namespace.name;
        let kubectl = Some(&self.namespace.world.kubectl);
        let _ = helm(kubectl, &["uninstall", name, "--namespace", name]);
    }
}
