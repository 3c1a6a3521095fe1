//! The known name that a misspelt one probably means.

/// Most edits that still are a spelling mistake. A short name allows fewer: a third of its length.
const MOST_EDITS: usize = 3;

/// The known name with the fewest edits, if these are few. Letter case does not matter.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = MOST_EDITS.min(name.chars().count() / 3);
    let lower = name.to_lowercase();
    let mut best = None;
    for known in known {
        if name.len().abs_diff(known.len()) > most {
            continue;
        }
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
}
