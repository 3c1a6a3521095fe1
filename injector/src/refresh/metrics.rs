//! What is counted, in Prometheus's text format.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::round::ClassResult;
use crate::classes::Wanted;
use crate::versions::ClassVersions;

/// Counters of all classes. Names of classes and objects are labels; values of secrets never come here.
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
    /// Nothing has happened to these classes yet.
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

    /// When AWS is asked next.
    pub(super) fn set_next(&self, at: SystemTime) {
        self.with(|state| state.next = Some(at));
    }

    /// Notes what became of a class.
    pub(super) fn note(
        &self,
        wanted: &Wanted,
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

    /// Notes how old a class's objects are.
    pub(super) fn note_versions(&self, wanted: &Wanted, versions: Option<&ClassVersions>) {
        let versions = versions.into_iter().flatten();
        let created = versions
            .filter_map(|(object, version)| Some((object.clone(), version.created?)))
            .collect();
        self.with(|state| {
            let class = state.classes.entry(wanted.class.name.clone());
            class.or_default().created = created;
        });
    }

    /// The text that Prometheus reads.
    pub(super) fn text(&self) -> String {
        self.with(|state| {
            let mut page = Page::default();
            page.family(
                "refreshes_total",
                "counter",
                "Refreshes of a class by their result",
            );
            for (name, class) in &state.classes {
                for (result, count) in [("success", class.successes), ("failure", class.failures)] {
                    page.sample(
                        "refreshes_total",
                        &[("class", name), ("result", result)],
                        count,
                    );
                }
            }
            page.family(
                "last_success_timestamp_seconds",
                "gauge",
                "When a class was last found or made current",
            );
            for (name, class) in &state.classes {
                page.time(
                    "last_success_timestamp_seconds",
                    &[("class", name)],
                    class.last_success,
                );
            }
            page.family(
                "last_change_timestamp_seconds",
                "gauge",
                "When files of a class last changed",
            );
            for (name, class) in &state.classes {
                page.time(
                    "last_change_timestamp_seconds",
                    &[("class", name)],
                    class.last_change,
                );
            }
            page.family(
                "object_created_timestamp_seconds",
                "gauge",
                "When AWS got the version of an object that is on disk",
            );
            for (name, class) in &state.classes {
                for (object, created) in &class.created {
                    page.sample(
                        "object_created_timestamp_seconds",
                        &[("class", name), ("object", object)],
                        created,
                    );
                }
            }
            page.family(
                "next_refresh_timestamp_seconds",
                "gauge",
                "When AWS is asked next",
            );
            page.time("next_refresh_timestamp_seconds", &[], state.next);
            page.0
        })
    }
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.0,
            "# HELP aws_secrets_injector_{name} {help}\n# TYPE aws_secrets_injector_{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let label = |(key, value): &(&str, &str)| format!("{key}=\"{}\"", escaped(value));
        let labels = labels.iter().map(label).collect::<Vec<_>>().join(",");
        let labels = if labels.is_empty() {
            labels
        } else {
            format!("{{{labels}}}")
        };
        let _ = writeln!(self.0, "aws_secrets_injector_{name}{labels} {value}");
    }

    /// A moment that has not come yet is left out.
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
