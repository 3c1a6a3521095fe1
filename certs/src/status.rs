//! How it goes with the certificates: for readiness, metrics and the log.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::api_error::ApiError;
use crate::issue::IssueError;
use crate::pair::Unusable;

/// How it goes. The keeper sends a new one through its channel whenever something changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// From when the certificate holds that is shown; `None` if none is shown.
    pub serving_not_before: Option<SystemTime>,
    /// Until when it holds.
    pub serving_not_after: Option<SystemTime>,
    /// Until when the authority holds that signed it; `None` if that is not ours.
    pub authority_not_after: Option<SystemTime>,
    /// How often another certificate was shown, the first one not counted.
    pub serving_rotations: u64,
    /// How often it was one of another authority.
    pub authority_rotations: u64,
    /// What stands in the way now.
    pub problem: Option<Problem>,
}

impl Status {
    /// Is a certificate shown that holds now?
    pub fn is_serving(&self, now: SystemTime) -> bool {
        let begins = self.serving_not_before;
        let ends = self.serving_not_after;
        begins.is_some_and(|begins| now >= begins) && ends.is_some_and(|ends| now < ends)
    }
}

/// What stands in the way. What it says is a line for people, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The API server refuses a request for want of a right.
    #[error("{object}: {message}")]
    Forbidden {
        /// Which object.
        object: String,
        /// What the API server says, and what to do.
        message: String,
    },
    /// The API server does not answer.
    #[error("{object}: {message}")]
    ApiUnreachable {
        /// Which object.
        object: String,
        /// Why.
        message: String,
    },
    /// The API server refuses a request for another reason.
    #[error("{object}: {message}")]
    ApiRefused {
        /// Which object.
        object: String,
        /// What the API server says.
        message: String,
    },
    /// The Secret holds something else, and is being replaced.
    #[error("{secret}: {error}; it is replaced")]
    UnusableSecret {
        /// Which one.
        secret: String,
        /// What is wrong with it.
        error: Unusable,
    },
    /// Somebody changes what is written, again and again.
    #[error(
        "{object}: is changed by others whenever it was written; find out by its managedFields who else writes it"
    )]
    Conflict {
        /// Which object was written last.
        object: String,
    },
    /// No certificate could be made.
    #[error("{0}")]
    Issue(String),
    /// The directory or a file in it cannot be read.
    #[error("{path}: {message}; mount the certificate's Secret there, with tls.crt and tls.key")]
    DirectoryUnreadable {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// A file does not hold what it should.
    #[error("{path}: {error}; the certificate before stays shown")]
    UnusableFile {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        error: Unusable,
    },
    /// Certificate and key in the directory do not belong together.
    #[error("{path}: tls.key does not belong to tls.crt; the certificate before stays shown")]
    KeyMismatch {
        /// The directory.
        path: PathBuf,
    },
    /// The certificate is over, and there is no other.
    #[error(
        "the certificate expired at {since}; see whether its issuer works, and this machine's clock"
    )]
    Expired {
        /// RFC 3339.
        since: String,
    },
    /// The certificate begins in the future.
    #[error("the certificate begins at {from}, which is in the future: a machine's clock is wrong")]
    Clock {
        /// RFC 3339.
        from: String,
    },
}

impl Problem {
    /// All values of [`Problem::reason`].
    pub const REASONS: [&str; 11] = [
        "forbidden",
        "api_unreachable",
        "api_refused",
        "unusable_secret",
        "conflict",
        "issue",
        "directory_unreadable",
        "unusable_file",
        "key_mismatch",
        "expired",
        "clock",
    ];

    /// A short name that stays, for a metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "forbidden",
            Self::ApiUnreachable { .. } => "api_unreachable",
            Self::ApiRefused { .. } => "api_refused",
            Self::UnusableSecret { .. } => "unusable_secret",
            Self::Conflict { .. } => "conflict",
            Self::Issue(_) => "issue",
            Self::DirectoryUnreadable { .. } => "directory_unreadable",
            Self::UnusableFile { .. } => "unusable_file",
            Self::KeyMismatch { .. } => "key_mismatch",
            Self::Expired { .. } => "expired",
            Self::Clock { .. } => "clock",
        }
    }

    /// A failed request about an object.
    pub(crate) fn of_api(object: String, error: kube::Error) -> Self {
        let code = match &error {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        };
        let message = ApiError::from(error).to_string();
        match code {
            Some(401 | 403) => Self::Forbidden { object, message },
            Some(500..) | None => Self::ApiUnreachable { object, message },
            Some(_) => Self::ApiRefused { object, message },
        }
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        Self::Issue(error.to_string())
    }
}
