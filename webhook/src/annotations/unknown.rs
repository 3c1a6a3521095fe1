//! Annotations with our prefix that nobody knows: most likely misspelt.

use std::collections::BTreeMap;

use super::{KNOWN, PREFIX};

/// A warning for each.
pub(super) fn unknown(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let ours = annotations
        .keys()
        .filter_map(|key| key.strip_prefix(PREFIX));
    let unknown = ours.filter(|name| !KNOWN.contains(name));
    unknown
        .map(|name| {
            format!(
                "annotation {PREFIX}{name} is unknown and has no effect: did you mean {PREFIX}{}?",
                nearest(name)
            )
        })
        .collect()
}

/// The known name with the fewest edits.
fn nearest(name: &str) -> &'static str {
    let name: String = name.chars().take(64).collect();
    KNOWN
        .into_iter()
        .filter(|known| *known != "status")
        .min_by_key(|known| distance(&name, known))
        .unwrap_or(KNOWN[0])
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
