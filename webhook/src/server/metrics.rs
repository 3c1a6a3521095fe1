//! Metrics for Prometheus. No label carries a name that users choose: there would be as many series as pods.

use std::time::{Duration, UNIX_EPOCH};

use certs::{Problem, Status};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::admission::Outcome;
use crate::cluster::stores::StoreState;
use crate::server::review::Reviewed;

/// The content type of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds: a review of what is in memory takes a tenth of a millisecond, one that asks the API server some more, and the
/// API server waits ten seconds.
const BUCKETS: [f64; 11] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0,
];

/// Names of labels and their values.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All metrics.
pub struct Metrics {
    registry: Registry,
    reviews: Family<Labels<3>, Counter>,
    durations: Family<Labels<1>, Histogram>,
    ready: Gauge,
    objects: Family<Labels<1>, Gauge>,
    synced: Family<Labels<1>, Gauge>,
    watch_failures: Family<Labels<1>, Gauge>,
    certificate_expiry: Family<Labels<1>, Gauge>,
    certificate_rotations: Family<Labels<1>, Gauge>,
    certificate_problem: Family<Labels<1>, Gauge>,
}

/// Registers a metric; its clones are one metric.
fn registered<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("aws_secrets_webhook");
        let all = &mut registry;
        all.register(
            "build",
            "The running program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self {
            reviews: registered(
                all,
                "reviews",
                "AdmissionReviews answered, by result",
                Family::default(),
            ),
            durations: registered(
                all,
                "review_duration_seconds",
                "Time to answer a review",
                Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            ),
            ready: registered(all, "ready", "1 if /readyz reports ready", Gauge::default()),
            objects: registered(all, "store_objects", "Objects in memory", Family::default()),
            synced: registered(
                all,
                "store_synced",
                "1 if the memory is in sync with the cluster and the watch is running",
                Family::default(),
            ),
            watch_failures: registered(
                all,
                "watch_failures",
                "Consecutive failures of a watch; the memory is as old as the first one",
                Family::default(),
            ),
            certificate_expiry: registered(
                all,
                "certificate_expiry_timestamp_seconds",
                "When the serving certificate and its CA expire",
                Family::default(),
            ),
            certificate_rotations: registered(
                all,
                "certificate_rotations",
                "Certificate rotations since the program started",
                Family::default(),
            ),
            certificate_problem: registered(
                all,
                "certificate_problem",
                "1 if certificates have this problem",
                Family::default(),
            ),
            registry,
        }
    }
}

impl Metrics {
    /// Counts a review.
    pub fn reviewed(&self, reviewed: Reviewed, outcome: Outcome, duration: Duration) {
        let resource = reviewed.plural;
        let labels = [
            ("resource", resource),
            ("result", outcome.result()),
            ("reason", outcome.reason()),
        ];
        self.reviews.get_or_create(&labels).inc();
        let durations = self.durations.get_or_create(&[("resource", resource)]);
        durations.observe(duration.as_secs_f64());
    }

    /// The text that Prometheus reads, with the current states.
    pub fn render(&self, stores: &[StoreState], certificates: &Status, is_ready: bool) -> String {
        self.ready.set(i64::from(is_ready));
        for store in stores {
            let kind = [("kind", store.kind)];
            let objects = i64::try_from(store.objects).unwrap_or(i64::MAX);
            self.objects.get_or_create(&kind).set(objects);
            self.synced
                .get_or_create(&kind)
                .set(i64::from(store.synced && store.failures == 0));
            self.watch_failures
                .get_or_create(&kind)
                .set(i64::from(store.failures));
        }
        self.set_certificates(certificates);
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    fn set_certificates(&self, status: &Status) {
        let ends = [
            (
                "serving",
                status.serving_not_after,
                status.serving_rotations,
            ),
            (
                "authority",
                status.authority_not_after,
                status.authority_rotations,
            ),
        ];
        for (certificate, end, rotations) in ends {
            let label = [("certificate", certificate)];
            if let Some(since) = end.and_then(|end| end.duration_since(UNIX_EPOCH).ok()) {
                let expiry = self.certificate_expiry.get_or_create(&label);
                expiry.set(gauge_value(since.as_secs()));
            }
            let counted = self.certificate_rotations.get_or_create(&label);
            counted.set(gauge_value(rotations));
        }
        let problem = status.problem.as_ref().map(Problem::reason);
        for reason in Problem::REASONS {
            let gauge = self
                .certificate_problem
                .get_or_create(&[("reason", reason)]);
            gauge.set(i64::from(problem == Some(reason)));
        }
    }
}

fn gauge_value(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
