//! The known name that a misspelt one probably means.

/// Most edits that still are a spelling mistake. A short name allows fewer: a third of its length.
const MOST_EDITS: usize = 3;
/// Bytes of the longest name that is compared: people type no longer ones, and a comparison takes the square of the length.
const LONGEST: usize = 64;
/// Known names that a name is compared with, of those with about its length.
const MOST_COMPARED: usize = 32;
/// Known names that are looked at.
const MOST_KNOWN: usize = 1024;

/// The known name with the fewest edits, if these are few. Letter case does not matter. Its cost has a bound, whatever the
/// names are; where the known names are a tenant's own, ask once for a class.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let most = MOST_EDITS.min(name.chars().count() / 3);
    let lower = name.to_lowercase();
    let mut best = None;
    let similar = known
        .iter()
        .take(MOST_KNOWN)
        .filter(|known| name.len().abs_diff(known.len()) <= most);
    for known in similar.take(MOST_COMPARED) {
        let edits = strsim::osa_distance(&lower, &known.to_lowercase());
        if edits <= most && best.is_none_or(|(fewest, _)| edits < fewest) {
            best = Some((edits, *known));
        }
    }
    best.map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_has_a_nearest_one_and_another_word_has_none() {
        let known = ["objectName", "objectType", "path", "region"];
        for (name, meant) in [
            ("objectTyp", Some("objectType")),
            ("Regoin", Some("region")),
            ("PATH", Some("path")),
            ("objektName", Some("objectName")),
            ("foo", None),
            ("p", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), meant, "{name}");
        }
    }

    #[test]
    fn long_names_and_those_after_many_others_are_not_compared() {
        let [fits, long] = [LONGEST, LONGEST + 1].map(|length| "x".repeat(length));
        assert_eq!(nearest(&fits, &[&fits]), Some(fits.as_str()));
        assert_eq!(nearest(&long, &[&long]), None);
        let mut known = vec!["abcdef"; MOST_COMPARED - 1];
        known.push("uvwxyz");
        assert_eq!(nearest("uvwxyy", &known), Some("uvwxyz"));
        known.insert(0, "abcdef");
        assert_eq!(nearest("uvwxyy", &known), None);
        let mut known = vec!["another length"; MOST_KNOWN];
        known.push("uvwxyz");
        assert_eq!(nearest("uvwxyz", &known), None);
    }
}
