//! Reviews of a megabyte that someone made to take long.

use std::time::Duration;

use aws_secrets_webhook::pod::annotations::{CLASSES, PREFIX};
use hyper::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::load::Server;
use crate::report::Row;
use crate::review::review;
use crate::statistics::{ratio, shown};

/// Length of a review.
const LENGTH: usize = 1_000_000;
/// Nearly as many objects as a review may have in lists: with more, it is refused before it is read.
const OBJECTS: usize = 9_500;
const ROUNDS: usize = 20;
const MOST: Duration = Duration::from_millis(50);

/// Times each of these reviews, and the parse-only server's answer to the same.
pub(crate) fn measure(
    runtime: &Runtime,
    webhook: &Server,
    reader: &Server,
) -> anyhow::Result<Vec<Row>> {
    let review: Value = serde_json::from_slice(&review(1, 0)?)?;
    let row = |(what, change): (String, Change)| {
        let mut review = review.clone();
        change(&mut review["request"]["object"]);
        let body = Bytes::from(serde_json::to_vec(&review)?);
        let times = runtime.block_on(webhook.times(&body, ROUNDS))?;
        let reading = runtime.block_on(reader.times(&body, ROUNDS))?;
        let slow = times.percentile(90);
        Ok(Row::with_target(
            format!("a review of 1 MB: {what}"),
            shown(slow),
            "≤ 50 ms",
            slow <= MOST,
            format!(
                "p90 of {ROUNDS}, median {}; {:.2} × the parse-only server, p90 {}",
                shown(times.median()),
                ratio(times.median(), reading.median()),
                shown(reading.percentile(90)),
            ),
        ))
    };
    changes().into_iter().map(row).collect()
}

type Change = Box<dyn Fn(&mut Value)>;

/// What makes a pod long.
fn changes() -> Vec<(String, Change)> {
    let mut changes = vec![
        text("a long annotation", "note", "x"),
        text("an annotation of control characters", "note", "\u{1}"),
        text("a long list of classes", CLASSES, "a,"),
        text("a long list of variables", &format!("{PREFIX}env"), "A=b,"),
        text(
            "a long list of objects",
            &format!("{PREFIX}objects"),
            "- objectName: a\n",
        ),
        annotations("annotations with names of one letter and a number", "a"),
        annotations("unknown annotations of ours", PREFIX),
    ];
    let lists = [
        ("volumes", "/spec", "volumes"),
        ("containers", "/spec", "containers"),
        ("init containers", "/spec", "initContainers"),
        ("variables", "/spec/containers/0", "env"),
        ("mounts", "/spec/containers/0", "volumeMounts"),
    ];
    changes.extend(lists.map(|(what, parent, field)| list(what, parent, field)));
    changes.push((
        "numbers in an unknown field".to_owned(),
        Box::new(|pod: &mut Value| pod["spec"]["unknown"] = vec![1; LENGTH / 2].into()),
    ));
    changes
}

/// An annotation with a value that repeats a text.
fn text(what: &str, name: &str, part: &'static str) -> (String, Change) {
    let name = name.to_owned();
    let length = json!(part).to_string().len() - 2;
    let change = move |pod: &mut Value| {
        pod["metadata"]["annotations"][&name] = part.repeat(LENGTH / length).into();
    };
    (what.to_owned(), Box::new(change))
}

/// As many annotations as there is room for.
fn annotations(what: &str, prefix: &str) -> (String, Change) {
    let prefix = prefix.to_owned();
    let change = move |pod: &mut Value| {
        let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() else {
            return;
        };
        // A number, and quotes, colon and comma.
        let count = LENGTH / (prefix.len() + 12);
        annotations.extend((0..count).map(|index| (format!("{prefix}{index:06}"), "".into())));
    };
    (what.to_owned(), Box::new(change))
}

/// As many objects in a list as a review may have.
fn list(what: &str, parent: &'static str, field: &'static str) -> (String, Change) {
    let change = move |pod: &mut Value| {
        let width = LENGTH / OBJECTS - 15;
        let object = |index| {
            let name = format!("a{index:0width$}");
            Value::Object(Map::from_iter([("name".to_owned(), name.into())]))
        };
        if let Some(parent) = pod.pointer_mut(parent) {
            parent[field] = (0..OBJECTS).map(object).collect();
        }
    };
    (format!("{OBJECTS} {what}"), Box::new(change))
}
