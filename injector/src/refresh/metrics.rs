//! What Prometheus sees of the sidecar, on a port of the pod.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::round::Round;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Who asks for metrics sends a line or two.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The numbers; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(Arc<Mutex<Numbers>>);

#[derive(Debug, Default)]
struct Numbers {
    rounds: BTreeMap<&'static str, u64>,
    failures_in_a_row: u32,
    last_success: Option<SystemTime>,
    last_change: Option<SystemTime>,
    next_round: Option<SystemTime>,
    /// When each object was last looked at without a failure, by class and object.
    objects: BTreeMap<(String, String), SystemTime>,
}

impl Metrics {
    /// Counts a round; `objects` are those of its classes.
    pub(super) fn add(
        &self,
        round: &Round,
        objects: &[(String, String)],
        failures: u32,
        next: Duration,
    ) {
        let now = SystemTime::now();
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match (round.failures.is_empty(), round.changed.is_empty()) {
            (false, _) => "failed",
            (true, false) => "changed",
            (true, true) => "unchanged",
        };
        *numbers.rounds.entry(result).or_default() += 1;
        numbers.failures_in_a_row = failures;
        if round.failures.is_empty() {
            numbers.last_success = Some(now);
        }
        if !round.changed.is_empty() {
            numbers.last_change = Some(now);
        }
        numbers.next_round = Some(now + next);
        for key in objects
            .iter()
            .filter(|(class, _)| round.fresh.contains(class))
        {
            numbers.objects.insert(key.clone(), now);
        }
    }

    fn render(&self) -> String {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, lines: &[(String, u64)]| {
            let name = format!("aws_secrets_refresher_{name}");
            // Writing to a String does not fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let seconds = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs()
        };
        let one = |time: Option<SystemTime>| {
            time.map(|time| (String::new(), seconds(time)))
                .into_iter()
                .collect::<Vec<_>>()
        };
        let rounds: Vec<_> = ["changed", "unchanged", "failed"]
            .map(|result| {
                (
                    format!("{{result=\"{result}\"}}"),
                    numbers.rounds.get(result).copied().unwrap_or_default(),
                )
            })
            .into();
        metric(
            "rounds_total",
            "counter",
            "Looks at AWS, by what came of them",
            &rounds,
        );
        metric(
            "failures_in_a_row",
            "gauge",
            "Looks at AWS that failed since the last that did not",
            &[(String::new(), u64::from(numbers.failures_in_a_row))],
        );
        metric(
            "last_success_timestamp_seconds",
            "gauge",
            "When the last look without a failure was",
            &one(numbers.last_success),
        );
        metric(
            "last_change_timestamp_seconds",
            "gauge",
            "When files changed",
            &one(numbers.last_change),
        );
        metric(
            "next_round_timestamp_seconds",
            "gauge",
            "When the next look is",
            &one(numbers.next_round),
        );
        let objects: Vec<_> = numbers
            .objects
            .iter()
            .map(|((class, object), time)| {
                let labels = format!(
                    "{{class=\"{}\",object=\"{}\"}}",
                    escaped(class),
                    escaped(object)
                );
                (labels, seconds(*time))
            })
            .collect();
        metric(
            "object_checked_timestamp_seconds",
            "gauge",
            "When an object was last known to be fresh",
            &objects,
        );
        text
    }
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Serves `/metrics` in the background; an error is why it cannot listen.
pub(super) async fn serve(address: SocketAddr, metrics: Metrics) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, most likely: those in use must be given back first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let metrics = metrics.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let answer = answer(&request, &metrics);
                    async { Ok::<_, Infallible>(answer) }
                });
                let mut builder = http1::Builder::new();
                builder
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .keep_alive(false);
                // A client that went away is its own trouble.
                let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    Ok(())
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    if request.uri().path() == "/metrics" {
        *response.body_mut() = Full::from(metrics.render());
        let content_type = hyper::header::HeaderValue::from_static(CONTENT_TYPE);
        response
            .headers_mut()
            .insert(hyper::header::CONTENT_TYPE, content_type);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_moves_its_numbers_and_names_are_escaped() {
        let metrics = Metrics::default();
        let round = Round {
            fresh: vec!["db".to_owned()],
            ..Round::default()
        };
        let objects = [
            ("db".to_owned(), "a\"b".to_owned()),
            ("failed".to_owned(), "x".to_owned()),
        ];
        metrics.add(&round, &objects, 0, Duration::from_secs(1));
        let text = metrics.render();
        assert!(
            text.contains("aws_secrets_refresher_rounds_total{result=\"unchanged\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("object_checked_timestamp_seconds{class=\"db\",object=\"a\\\"b\"} "),
            "{text}"
        );
        assert!(
            !text.contains("object=\"x\"")
                && !text.contains("\naws_secrets_refresher_last_change_timestamp_seconds "),
            "{text}"
        );
    }
}
