//! Every message of the programs has an entry in the documents, and every entry is a message.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write as _;

use e2e::documents::pages;
use e2e::messages::{Message, messages, policy_messages};

/// What is printed, and is no message of its own.
const OTHERS: [(&str, &[&str]); 14] = [
    (
        "certs/src/certificate.rs",
        &["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"],
    ),
    (
        "injector/src/aws/mod.rs",
        &[
            "Parameter Store",
            "Secrets Manager",
            "the EKS Pod Identity agent",
        ],
    ),
    // What `check` prints when all is well.
    (
        "injector/src/check.rs",
        &[
            "(add kms:Decrypt for keys of your own)",
            ", with failover to …",
            "; its files:\n",
            "IAM policy of the pod's role …:\n…",
            "…\nIAM policy of the role of assumeRoleArn …:\n…",
            "class … is valid, in ",
            "the region that the chart or the nodes name",
        ],
    ),
    // A bug of ours, if it is ever seen.
    (
        "injector/src/fetch/parameters.rs",
        &["not a request for a parameter"],
    ),
    (
        "injector/src/fetch/secrets.rs",
        &["not a request for a secret"],
    ),
    // Help of metrics, and types of content.
    ("injector/src/refresh/metrics.rs", &[""]),
    (
        "injector/src/refresh/server.rs",
        &["see /metrics", "text/plain; version"],
    ),
    ("webhook/src/metrics.rs", &[""]),
    // Why something cannot fail.
    ("provider-class/src/snapshot.rs", &["maps with string keys"]),
    // Words that messages are made of.
    (
        "provider-class/src/yaml.rs",
        &[
            "a list",
            "a mapping",
            "a number or boolean",
            "a string",
            "any value",
        ],
    ),
    // What each problem of a class begins with.
    (
        "provider-class/src/problem.rs",
        &["… (line … of objects): …"],
    ),
    // What finds a line, and is never shown.
    (
        "provider-class/src/yaml.rs",
        &["aws-secrets-injector found the field"],
    ),
    ("webhook/src/patch.rs", &["a container", "a volume"]),
    ("webhook/src/stores.rs", &["… in namespace …"]),
];

/// Text in the documents that stands for a message.
struct Entry {
    page: String,
    text: String,
}

/// The code in the columns "message" of the tables in `docs/messages`.
fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    let all = pages().unwrap().into_iter();
    for page in all.filter(|page| page.path.starts_with("docs/messages/")) {
        let mut column = None;
        for line in page.text.lines() {
            let line = line.replace(r"\|", "\u{1}");
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            if cells.len() < 3 {
                column = None;
            } else if let Some(column) = column {
                let cell: &str = cells.get(column).copied().unwrap_or_default();
                let code = cell.split('`').skip(1).step_by(2);
                entries.extend(code.map(|text| Entry {
                    page: page.path.clone(),
                    text: text.replace('\u{1}', "|"),
                }));
            } else {
                column = cells.iter().position(|cell| *cell == "message");
            }
        }
    }
    entries
}

fn is_other(message: &Message) -> bool {
    OTHERS.iter().any(|(file, texts)| {
        *file == message.file && texts.iter().any(|text| message.text.contains(text))
    })
}

fn all() -> Vec<Message> {
    let mut all = messages().unwrap();
    all.extend(policy_messages().unwrap());
    all
}

#[test]
fn every_message_has_an_entry() {
    let entries = entries();
    let mut missing = String::new();
    for message in all().iter().filter(|message| !is_other(message)) {
        if !entries
            .iter()
            .any(|entry| message.text.contains(&entry.text))
        {
            writeln!(missing, "{}: {}", message.file, message.text).unwrap();
        }
    }
    assert!(
        missing.is_empty(),
        "no entry in docs/messages for\n{missing}"
    );
}

#[test]
fn every_entry_is_a_message() {
    let all = all();
    let mut stale = String::new();
    for entry in entries() {
        let words = entry.text.split_whitespace().count();
        if words < 2 || !all.iter().any(|message| message.text.contains(&entry.text)) {
            writeln!(stale, "{}: {}", entry.page, entry.text).unwrap();
        }
    }
    assert!(stale.is_empty(), "no message of a program has\n{stale}");
}

#[test]
fn what_is_no_message_is_still_there() {
    let all = messages().unwrap();
    for (file, texts) in OTHERS {
        for text in texts {
            let is_there = all
                .iter()
                .any(|other| other.file == file && other.text.contains(text));
            assert!(is_there, "{file}: {text}");
        }
    }
}
