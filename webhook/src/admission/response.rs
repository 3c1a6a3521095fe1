//! The response of a review.

use kube::core::admission::AdmissionResponse;

use crate::text;

/// Warnings of one answer.
const MAX_WARNINGS: usize = 10;
/// Characters of all warnings together; the API server cuts each of them to [`SHORT_WARNING`] where they have more.
const ALL_WARNINGS: usize = 4096;
const SHORT_WARNING: usize = 250;

/// The outcome of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A pod got its patch.
    Injected,
    /// A pod needed none: it has no annotation, it is complete after an earlier pass, or it is not being created.
    Unchanged,
    /// A class is valid.
    Allowed,
    /// Refused, for this reason.
    Refused(&'static str),
    /// Not a review.
    Malformed,
}

impl Outcome {
    pub(crate) fn result(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Unchanged => "unchanged",
            Self::Allowed => "allowed",
            Self::Refused(_) => "refused",
            Self::Malformed => "malformed",
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason,
            _ => "",
        }
    }
}

/// The response that refuses an object, with an HTTP status for its author.
pub(crate) fn refused(response: AdmissionResponse, code: u16, message: &str) -> AdmissionResponse {
    let mut response = response.deny(message);
    response.result.code = code;
    response
}

/// The response with warnings, which kubectl prints.
pub(crate) fn with_warnings(
    mut response: AdmissionResponse,
    warnings: &[String],
) -> AdmissionResponse {
    // Each is a line of its own; the API server drops one that cannot stand in a header.
    let lines = warnings.iter().map(|warning| text::line(warning));
    let mut warnings: Vec<String> = lines.take(MAX_WARNINGS).collect();
    let mut characters = 0;
    for warning in &warnings {
        characters += warning.chars().count();
    }
    if characters > ALL_WARNINGS {
        for warning in &mut warnings {
            if warning.chars().count() > SHORT_WARNING {
                *warning = warning.chars().take(SHORT_WARNING).chain(['…']).collect();
            }
        }
    }
    response.warnings = (!warnings.is_empty()).then_some(warnings);
    response
}
