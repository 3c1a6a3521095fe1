//! What the programs export, from their own code.

use std::time::{Duration, SystemTime};

use aws_secrets_injector::classes::ClassToFetch;
use aws_secrets_injector::refresh::Metrics as RefreshMetrics;
use aws_secrets_injector::versions::{ClassVersions, Version};
use aws_secrets_webhook::admission::{Outcome, Refusal};
use aws_secrets_webhook::cluster::StoreState;
use aws_secrets_webhook::server::Metrics;
use aws_secrets_webhook::server::review::{CLASSES, PODS};
use certs::Status;
use provider_class::{Document, Region};

const CLASS: &str = "
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: db}
spec:
  provider: aws
  parameters: {objects: '[{objectName: shop/db, objectType: secretsmanager}]'}
";

/// What a webhook exports that is well, and that has met every reason to refuse a pod.
pub(crate) fn by_the_webhook() -> String {
    let metrics = Metrics::default();
    metrics.reviewed(PODS, Outcome::Injected, Duration::ZERO);
    metrics.reviewed(CLASSES, Outcome::Allowed, Duration::ZERO);
    for reason in Refusal::REASONS {
        metrics.reviewed(PODS, Outcome::Refused(reason), Duration::ZERO);
    }
    let store = StoreState {
        kind: "ServiceAccount",
        objects: 1,
        synced: true,
        can_answer: true,
        failures: 0,
    };
    let days = |days: u64| Some(SystemTime::now() + Duration::from_hours(24 * days));
    let status = Status {
        serving_not_after: days(60),
        authority_not_after: days(3000),
        ..Status::default()
    };
    metrics.render(&[store], &status, true)
}

/// What a sidecar exports that has just refreshed the files of a class.
pub(crate) fn by_the_sidecar() -> String {
    let class = Document::read_all(CLASS).unwrap().remove(0);
    let class = class.parse().unwrap();
    let region: Region = "us-east-2".parse().unwrap();
    let plan = class.resolve(Some(&region)).unwrap();
    let version = Version::new(region, "1".to_owned(), Some(1_700_000_000));
    let versions: ClassVersions = plan
        .requests
        .iter()
        .map(|request| (request.key(), version.clone()))
        .collect();
    let class = ClassToFetch {
        class,
        plan,
        mount_path: "/mnt/secrets-store".into(),
    };
    let metrics = RefreshMetrics::new([&class.class.name].into_iter());
    metrics.note(&class, &Ok(vec!["shop_db".to_owned()]), Some(&versions));
    metrics.render()
}

/// A sample, without the time.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    /// The name and the labels, such as `a_total{b="c"}`.
    pub(crate) series: &'a str,
    pub(crate) value: &'a str,
}

impl<'a> Sample<'a> {
    pub(crate) fn name(&self) -> &'a str {
        self.series.split('{').next().unwrap_or_default()
    }
}

pub(crate) fn samples(text: &str) -> Vec<Sample<'_>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| line.rsplit_once(' ').unwrap());
    samples
        .map(|(series, value)| Sample { series, value })
        .collect()
}
