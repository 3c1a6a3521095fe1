//! Every message of the programs has an entry in the documentation, and every entry is a message.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write as _;

use e2e::documents::pages;
use e2e::messages::{Message, messages, policy_messages};

/// What is printed, and is no message of its own.
const OTHERS: [(&str, &[&str]); 29] = [
    ("certs/src/authorities.rs", &["-----END PRIVATE KEY-----"]),
    (
        "injector/src/service.rs",
        &[
            "Parameter Store",
            "Secrets Manager",
            "the EKS Pod Identity agent",
        ],
    ),
    // A name in messages.
    ("provider-class/src/class/title.rs", &["annotation objects"]),
    // Words by which others' messages are told apart.
    (
        "injector/src/aws/refusals.rs",
        &[
            "HTTP status",
            "VPC endpoint policy",
            "does not have permissions to assume",
            "master key",
            "not yet current",
            "with an explicit deny",
        ],
    ),
    ("injector/src/aws/outside.rs", &["HTTP status"]),
    // What `check` prints when all is well, and what it has skipped.
    (
        "injector/src/check/show.rs",
        &[
            " in namespace …",
            "(add kms:Decrypt for customer managed keys)",
            ", with failover to …",
            ". Its files:\n",
            "Its Kubernetes Secrets, see",
            "IAM policy of the pod's role",
            "IAM policy of the role of assumeRoleArn",
            " is valid in ",
            "parameters below",
            " [variable]",
            "  <each …>: names that are known only at fetch",
            "  [variable]: the annotation",
            "the cluster's default region",
            "… (line … of …)",
        ],
    ),
    (
        "injector/src/check/mod.rs",
        &["file that is not YAML", "… of provider …"],
    ),
    // Types of content, and a page for a wrong path.
    (
        "injector/src/refresh/metrics.rs",
        &["application/openmetrics-text"],
    ),
    ("injector/src/refresh/server.rs", &["see /metrics"]),
    (
        "webhook/src/server/metrics.rs",
        &["application/openmetrics-text"],
    ),
    // Documentation of annotations.
    ("webhook/src/pod/annotations/table.rs", &[""]),
    // Words that messages are made of.
    ("injector/src/kubernetes/object.rs", &["somebody else"]),
    // Kinds of sections in PEM files.
    (
        "provider-class/src/class/secret_objects/tls.rs",
        &["ENCRYPTED PRIVATE KEY", "PRIVATE KEY"],
    ),
    (
        "provider-class/src/yaml/mod.rs",
        &[
            "a list",
            "a mapping",
            "a number or boolean",
            "a string",
            "… at line … column …",
        ],
    ),
    (
        "provider-class/src/class/output.rs",
        &["<each key>", "<each parameter>"],
    ),
    // What each problem of a class begins with.
    (
        "provider-class/src/class/cursor.rs",
        &["remove it, or correct its name"],
    ),
    (
        "provider-class/src/class/field_path.rs",
        &[" (line … of …)"],
    ),
    (
        "provider-class/src/document/mod.rs",
        &["document …", "item … of document …", "… other kinds"],
    ),
    (
        "provider-class/src/document/contents.rs",
        &["without a kind"],
    ),
    (
        "provider-class/src/words/name.rs",
        &[
            "a space",
            "a control character (U+…)",
            "a line break",
            "a no-break space (U+…)",
            "a parameter's",
            "a secret's",
            "a tab",
            "an invisible character (U+…)",
            "at its end",
            "at its start",
            "in it",
            "remove it",
        ],
    ),
    ("webhook/src/pod/conflict.rs", &["a container", "a volume"]),
    ("webhook/src/cluster/stores.rs", &["… in namespace …"]),
    (
        "webhook/src/cluster/features.rs",
        &[
            "env-method kubelet",
            "on-refresh restart",
            "the cluster's version",
            "the nodes' versions",
        ],
    ),
    (
        "webhook/src/cluster/kubernetes_version.rs",
        &["the cluster's version"],
    ),
    ("webhook/src/cluster/nodes.rs", &["the nodes"]),
    (
        "webhook/src/pod/bounds.rs",
        &["keys of Secrets in envFrom", "variables of files"],
    ),
    ("webhook/src/pod/secrets.rs", &["the files in …"]),
    ("provider-class/src/words/listed.rs", &["… and … more"]),
    ("webhook/src/pod/variables/mod.rs", &["the files are …"]),
];

/// An entry in the documentation, with a part of a message.
struct Entry {
    page: String,
    text: String,
}

/// The code in the "message" columns of the tables in `docs/messages`.
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
