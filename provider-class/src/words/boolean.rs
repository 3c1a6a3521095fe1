//! Booleans.

use super::name::shown;

/// Takes the same words as Go's `strconv.ParseBool`, which AWS's provider uses.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(format!(
            "{} is not a boolean: write \"true\" or \"false\"",
            shown(text)
        )),
    }
}
