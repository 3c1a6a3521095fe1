//! Why a request gets no response of a review.

use std::time::Duration;

use axum::http::StatusCode;

use crate::admission::Outcome;

/// The largest body that is read: the API server's own bound for a request, and some for the rest of the review.
pub(crate) const LARGEST: usize = 4 * 1024 * 1024;

/// How long a body may take. The API server has all of it when it begins to send.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(5);

/// Why a request is not answered as a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Larger than any review.
    #[error("the body has more than {LARGEST} bytes")]
    TooLarge,
    /// It did not come in time.
    #[error("the body did not arrive within {} seconds", BODY_TIME.as_secs())]
    TooSlow,
    /// The connection broke.
    #[error("the body ended early")]
    Broken,
    /// What it becomes is larger than memory allows.
    #[error(
        "the review has too many objects: it would take {kib} KiB of memory, but at most {most} KiB are allowed"
    )]
    TooHeavy { kib: usize, most: usize },
    /// No room for another review that waits.
    #[error("too many reviews wait for the API server: create the object again")]
    Busy,
    /// It waited for others for too long.
    #[error("other reviews took too long: create the object again")]
    TimedOut,
}

impl Refused {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge | Self::TooHeavy { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow | Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::TooSlow | Self::TimedOut => Outcome::Refused("timeout"),
            Self::Busy => Outcome::Refused("busy"),
            Self::TooLarge | Self::TooHeavy { .. } | Self::Broken => Outcome::Malformed,
        }
    }
}
