//! Annotations with our prefix that do not exist: most likely misspelt.

use std::collections::BTreeMap;

use super::PREFIX;
use super::table::{ANNOTATIONS, SET_BY_WEBHOOK};

/// Warnings of one pod; the rest is counted. Finding the nearest name takes a while for each.
const MOST: usize = 5;

/// Characters of a name that are compared; no annotation is that long.
const COMPARED: usize = 64;

/// A warning for each unknown annotation, with the one that was probably meant.
pub(super) fn unknown(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let ours = annotations
        .keys()
        .filter_map(|key| key.strip_prefix(PREFIX));
    let mut unknown = ours.filter(|name| ANNOTATIONS.iter().all(|known| known.name != *name));
    let mut warnings = Vec::new();
    for name in unknown.by_ref().take(MOST) {
        warnings.push(format!(
            "annotation {PREFIX}{name} is unknown and has no effect: did you mean {PREFIX}{}?",
            nearest(name)
        ));
    }
    let more = unknown.count();
    if more > 0 {
        warnings.push(format!(
            "{more} more annotations with the prefix {PREFIX} are unknown and have no effect"
        ));
    }
    warnings
}

/// The name with the fewest edits, of the annotations that a person writes.
fn nearest(name: &str) -> &'static str {
    let name: String = name.chars().take(COMPARED).collect();
    let known = ANNOTATIONS.iter().map(|annotation| annotation.name);
    known
        .filter(|known| !SET_BY_WEBHOOK.contains(known))
        .min_by_key(|known| strsim::levenshtein(&name, known))
        .unwrap_or_default()
}
