//! The installation on the oldest Kubernetes version that the chart supports: its API server accepts the manifests, calls the
//! webhook for the right pods, and evaluates the policies. The scenarios use the newest version, and also run the pods.
//!
//! The Go module in this folder pins the version. There are no nodes: pods are admitted and stay pending.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

mod control_plane;
mod stories;
mod webhook;
mod world;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use world::{Installation, World};

/// A test: its name and its function.
type Story = (&'static str, fn(&World));

/// Before the webhook serves.
const WITHOUT_WEBHOOK: [Story; 5] = [
    (
        "its_api_server_has_the_oldest_version_of_the_chart",
        stories::version,
    ),
    (
        "without_webhook_bare_pods_are_admitted_unchanged",
        stories::bare,
    ),
    (
        "without_webhook_annotated_pods_are_refused",
        stories::unreachable,
    ),
    (
        "without_webhook_misspelt_annotations_are_refused",
        stories::misspelt,
    ),
    (
        "without_webhook_any_class_is_accepted",
        stories::class_unchecked,
    ),
];

/// While it serves.
const WITH_WEBHOOK: [Story; 4] = [
    (
        "an_annotated_pod_is_injected_with_its_sidecar",
        stories::injected,
    ),
    ("a_bad_class_is_refused_by_apply", stories::class_checked),
    (
        "features_of_later_versions_are_refused_with_what_to_set_instead",
        stories::too_old,
    ),
    (
        "the_webhook_may_write_its_ca_bundle_and_nothing_else",
        stories::ca_bundle,
    ),
];

/// With values of the chart.
const WITH_VALUES: [Story; 1] = [(
    "a_pod_that_the_values_exclude_from_the_webhook_is_refused_by_the_policy",
    stories::excluded,
)];

/// It deletes the webhook configuration.
const LAST: [Story; 1] = [(
    "without_configuration_the_policy_refuses_all_pods_that_are_not_whole",
    stories::without_configuration,
)];

/// A cluster that starts when the first test needs it, and stops after the last one.
struct Cluster {
    installation: Installation,
    world: OnceLock<anyhow::Result<World>>,
    serving: OnceLock<anyhow::Result<()>>,
}

impl Cluster {
    fn new(installation: Installation) -> Arc<Self> {
        Arc::new(Self {
            installation,
            world: OnceLock::new(),
            serving: OnceLock::new(),
        })
    }

    fn without_webhook(&self) -> Result<&World, Failed> {
        let started = self.world.get_or_init(|| World::start(self.installation));
        started.as_ref().map_err(failed)
    }

    fn with_webhook(&self) -> Result<&World, Failed> {
        let world = self.without_webhook()?;
        let serving = self.serving.get_or_init(|| world.serve());
        serving.as_ref().map(|()| world).map_err(failed)
    }

    /// The tests on this cluster, in their order.
    fn trials(self: Arc<Self>) -> Vec<Trial> {
        let values: &[Story] = match self.installation {
            Installation::Manifests => &[],
            Installation::Chart => &WITH_VALUES,
        };
        let without = WITHOUT_WEBHOOK.iter().map(|story| (story, false));
        let with = WITH_WEBHOOK.iter().chain(values).chain(&LAST);
        without
            .chain(with.map(|story| (story, true)))
            .map(|(story, serving)| self.trial(*story, serving))
            .collect()
    }

    fn trial(self: &Arc<Self>, (name, story): Story, serving: bool) -> Trial {
        let cluster = Arc::clone(self);
        let name = format!("{}_{name}", self.installation.name());
        Trial::test(name, move || {
            let world = if serving {
                cluster.with_webhook()
            } else {
                cluster.without_webhook()
            };
            story(world?);
            Ok(())
        })
    }
}

fn failed(error: &anyhow::Error) -> Failed {
    format!("{error:#}").into()
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One test after the other, all on this thread: the API server ends with the thread that starts it.
    arguments.test_threads = Some(1);
    let manifests = Cluster::new(Installation::Manifests).trials();
    let chart = Cluster::new(Installation::Chart).trials();
    let trials = manifests.into_iter().chain(chart).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
