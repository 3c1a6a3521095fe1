//! Every entry in the documentation is a message of the programs, and every error of theirs has an entry.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write as _;

use e2e::documents::pages;
use e2e::messages::{Text, policy_messages, texts};

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

fn all() -> Vec<Text> {
    let mut all = texts().unwrap();
    all.extend(policy_messages().unwrap());
    all
}

#[test]
fn every_error_has_an_entry() {
    let entries = entries();
    let mut missing = String::new();
    let is_word = |word: &&str| !word.contains('…') && word.contains(char::is_alphabetic);
    let has_words = |text: &str| text.split_whitespace().filter(is_word).count() >= 2;
    // One without words of its own only puts others together.
    let of_ours = |text: &&Text| text.is_error && has_words(&text.text);
    for error in all().iter().filter(of_ours) {
        let has_entry = entries.iter().any(|entry| error.text.contains(&entry.text));
        if !has_entry {
            writeln!(missing, "{}: {}", error.file, error.text).unwrap();
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
        if words < 2 || !all.iter().any(|text| text.text.contains(&entry.text)) {
            writeln!(stale, "{}: {}", entry.page, entry.text).unwrap();
        }
    }
    assert!(stale.is_empty(), "no message of a program has\n{stale}");
}
