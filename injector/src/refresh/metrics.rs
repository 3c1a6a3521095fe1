//! Metrics for Prometheus. Names of classes and objects are labels; values of secrets never get here.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use super::directory::ClassResult;
use crate::classes::ClassToFetch;
use crate::versions::ClassVersions;

/// The content type of [`Metrics::render`].
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefreshLabels {
    class: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    class: String,
    object: String,
}

/// Counters and times of all classes. A time that is not known yet is left out.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    refreshes: Family<RefreshLabels, Counter>,
    last_success: Family<ClassLabel, Gauge>,
    last_change: Family<ClassLabel, Gauge>,
    created: Family<ObjectLabels, Gauge>,
    next: Gauge,
}

/// Registers a metric; its clones are one metric.
fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Metrics of classes that have not been refreshed yet, and of which a refresh is due now.
    pub fn new<'a>(classes: impl Iterator<Item = &'a String>) -> Self {
        let mut registry = Registry::with_prefix("aws_secrets_injector");
        let all = &mut registry;
        let metrics = Self {
            refreshes: registered(all, "refreshes", "Refreshes of a class, by result"),
            last_success: registered(
                all,
                "last_success_timestamp_seconds",
                "Time of the last successful refresh of a class",
            ),
            last_change: registered(
                all,
                "last_change_timestamp_seconds",
                "Time at which files of a class last changed",
            ),
            created: registered(
                all,
                "object_created_timestamp_seconds",
                "Time at which AWS created the object version that is on disk",
            ),
            next: registered(
                all,
                "next_refresh_timestamp_seconds",
                "Time of the next refresh",
            ),
            registry,
        };
        metrics.set_next(SystemTime::now());
        for class in classes {
            for result in ["success", "failure"] {
                metrics.refreshed(class, result, 0);
            }
        }
        metrics
    }

    fn refreshed(&self, class: &str, result: &'static str, times: u64) {
        let class = class.to_owned();
        let labels = RefreshLabels { class, result };
        self.refreshes.get_or_create(&labels).inc_by(times);
    }

    /// Sets when the next refresh is due.
    pub(super) fn set_next(&self, at: SystemTime) {
        self.next.set(seconds(at));
    }

    /// Counts the result for a class.
    pub fn note(
        &self,
        wanted: &ClassToFetch,
        result: &ClassResult,
        versions: Option<&ClassVersions>,
    ) {
        let now = seconds(SystemTime::now());
        let class = wanted.class.name.clone();
        let label = ClassLabel { class };
        match result {
            Ok(changed) => {
                self.refreshed(&label.class, "success", 1);
                self.last_success.get_or_create(&label).set(now);
                if !changed.is_empty() {
                    self.last_change.get_or_create(&label).set(now);
                }
            }
            Err(_) => self.refreshed(&label.class, "failure", 1),
        }
        self.note_versions(wanted, versions);
    }

    /// Records when the versions of a class's objects were created.
    pub(super) fn note_versions(&self, wanted: &ClassToFetch, versions: Option<&ClassVersions>) {
        for planned in &wanted.plan.requests {
            let labels = ObjectLabels {
                class: wanted.class.name.clone(),
                object: planned.request.to_string(),
            };
            let version = versions.and_then(|versions| versions.get(&planned.key()));
            if let Some(created) = version.and_then(|version| version.created) {
                self.created.get_or_create(&labels).set(created);
            } else {
                self.created.remove(&labels);
            }
        }
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// Seconds since 1970.
fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_counted_from_the_start_and_times_shown_once_they_are_known() {
        let metrics = Metrics::new([&"a\"b".to_owned()].into_iter());
        let text = metrics.render();
        assert!(
            text.contains(
                "aws_secrets_injector_refreshes_total{class=\"a\\\"b\",result=\"failure\"} 0\n"
            ),
            "{text}"
        );
        assert!(
            !text.contains("aws_secrets_injector_last_success_timestamp_seconds{"),
            "{text}"
        );
        metrics.set_next(UNIX_EPOCH + std::time::Duration::from_secs(7));
        let text = metrics.render();
        assert!(
            text.ends_with("\naws_secrets_injector_next_refresh_timestamp_seconds 7\n# EOF\n"),
            "{text}"
        );
    }
}
