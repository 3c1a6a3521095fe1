//! A pod that is admitted.

use json_patch::Patch;

/// An admitted pod's patch, and what its author should know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admitted {
    /// Empty where nothing is to be added.
    pub patch: Patch,
    /// A line each.
    pub warnings: Vec<String>,
    /// Names of the injected classes, for the log.
    pub classes: Vec<String>,
}
