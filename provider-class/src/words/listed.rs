//! A list of names in a message.

/// Names that a list has at most.
const MOST: usize = 20;

/// The first names, and how many more there are.
pub fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(MOST));
    let shown = shown.join(", ");
    if more.is_empty() {
        shown
    } else {
        format!("{shown} and {} more", more.len())
    }
}
