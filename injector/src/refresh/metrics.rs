//! The metrics, in Prometheus's text format.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::round::ClassResult;
use crate::classes::ClassToFetch;
use crate::versions::ClassVersions;

/// Counters and times of all classes. Names of classes and objects are labels; values of secrets never get here.
#[derive(Debug)]
pub(super) struct Metrics(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    classes: BTreeMap<String, ClassState>,
    next: Option<SystemTime>,
}

#[derive(Debug, Default)]
struct ClassState {
    successes: u64,
    failures: u64,
    last_success: Option<SystemTime>,
    last_change: Option<SystemTime>,
    created: BTreeMap<String, i64>,
}

impl Metrics {
    /// Metrics of classes that have not been refreshed yet.
    pub(super) fn new<'a>(classes: impl Iterator<Item = &'a String>) -> Self {
        let state = State {
            classes: classes
                .map(|class| (class.clone(), ClassState::default()))
                .collect(),
            next: None,
        };
        Self(Mutex::new(state))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets when the next refresh is due.
    pub(super) fn set_next(&self, at: SystemTime) {
        self.with(|state| state.next = Some(at));
    }

    /// Counts the result for a class.
    pub(super) fn note(
        &self,
        wanted: &ClassToFetch,
        result: &ClassResult,
        versions: Option<&ClassVersions>,
    ) {
        let now = SystemTime::now();
        self.with(|state| {
            let class = state.classes.entry(wanted.class.name.clone()).or_default();
            match result {
                Ok(changed) => {
                    class.successes += 1;
                    class.last_success = Some(now);
                    if !changed.is_empty() {
                        class.last_change = Some(now);
                    }
                }
                Err(_) => class.failures += 1,
            }
        });
        self.note_versions(wanted, versions);
    }

    /// Records when the versions of a class's objects were created.
    pub(super) fn note_versions(&self, wanted: &ClassToFetch, versions: Option<&ClassVersions>) {
        let mut created = BTreeMap::new();
        for planned in &wanted.plan.requests {
            let version = versions.and_then(|versions| versions.get(&planned.key()));
            if let Some(time) = version.and_then(|version| version.created) {
                created.insert(planned.request.to_string(), time);
            }
        }
        self.with(|state| {
            let class = state.classes.entry(wanted.class.name.clone());
            class.or_default().created = created;
        });
    }

    /// The text that Prometheus reads.
    pub(super) fn text(&self) -> String {
        self.with(|state| {
            let mut text = Exposition::default();
            text.family(
                "refreshes_total",
                "counter",
                "Refreshes of a class, by result",
            );
            for (name, class) in &state.classes {
                for (result, count) in [("success", class.successes), ("failure", class.failures)] {
                    text.sample(
                        "refreshes_total",
                        &[("class", name), ("result", result)],
                        count,
                    );
                }
            }
            text.family(
                "last_success_timestamp_seconds",
                "gauge",
                "Time of the last successful refresh of a class",
            );
            for (name, class) in &state.classes {
                text.time(
                    "last_success_timestamp_seconds",
                    &[("class", name)],
                    class.last_success,
                );
            }
            text.family(
                "last_change_timestamp_seconds",
                "gauge",
                "Time at which files of a class last changed",
            );
            for (name, class) in &state.classes {
                text.time(
                    "last_change_timestamp_seconds",
                    &[("class", name)],
                    class.last_change,
                );
            }
            text.family(
                "object_created_timestamp_seconds",
                "gauge",
                "Time at which AWS created the object version that is on disk",
            );
            for (name, class) in &state.classes {
                for (object, created) in &class.created {
                    text.sample(
                        "object_created_timestamp_seconds",
                        &[("class", name), ("object", object)],
                        created,
                    );
                }
            }
            text.family(
                "next_refresh_timestamp_seconds",
                "gauge",
                "Time of the next refresh",
            );
            text.time("next_refresh_timestamp_seconds", &[], state.next);
            text.0
        })
    }
}

/// Lines of Prometheus's text format.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.0,
            "# HELP aws_secrets_injector_{name} {help}\n# TYPE aws_secrets_injector_{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.0, "aws_secrets_injector_{name}");
        for (index, (label, text)) in labels.iter().enumerate() {
            let separator = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{separator}{label}=\"{}\"", escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// A time that is not known yet is left out.
    fn time(&mut self, name: &str, labels: &[(&str, &str)], at: Option<SystemTime>) {
        if let Some(since) = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
            self.sample(name, labels, since.as_secs());
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_counted_from_the_start_and_moments_shown_once_they_came() {
        let metrics = Metrics::new([&"a\"b".to_owned()].into_iter());
        let text = metrics.text();
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
        assert!(
            metrics
                .text()
                .ends_with("\naws_secrets_injector_next_refresh_timestamp_seconds 7\n")
        );
    }
}
