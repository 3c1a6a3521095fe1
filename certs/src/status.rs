//! The state of the certificates, for readiness, metrics and the log.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::api_error::describe;
use crate::issue::IssueError;
use crate::pair::Unusable;

/// The state of the certificates. The keeper sends a new one through its channel whenever something changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Start of validity of the serving certificate; `None` if there is none.
    pub serving_not_before: Option<SystemTime>,
    /// When it expires.
    pub serving_not_after: Option<SystemTime>,
    /// When the CA that signed it expires; `None` if the CA is not managed here.
    pub authority_not_after: Option<SystemTime>,
    /// Replacements of the serving certificate, not counting the first one.
    pub serving_rotations: u64,
    /// Replacements by a certificate from another CA.
    pub authority_rotations: u64,
    /// The current problem.
    pub problem: Option<Problem>,
}

impl Status {
    /// Whether the serving certificate is valid now.
    pub fn is_serving(&self, now: SystemTime) -> bool {
        let begins = self.serving_not_before;
        let ends = self.serving_not_after;
        begins.is_some_and(|begins| now >= begins) && ends.is_some_and(|ends| now < ends)
    }
}

/// A problem. Its message is one line with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The API server refuses a request because an RBAC rule is missing.
    #[error("{object}: {message}; add the permission to the webhook's RBAC rules")]
    Forbidden {
        /// Which object.
        object: String,
        /// What the API server says.
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
    /// The Secret's content is unusable and is being replaced.
    #[error("{secret}: {error}; replacing the Secret")]
    UnusableSecret {
        /// Which one.
        secret: String,
        /// What is wrong with it.
        error: Unusable,
    },
    /// Another writer keeps changing what the keeper writes.
    #[error("{object}: another writer keeps changing it; check its managedFields")]
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
    /// A file has unusable content.
    #[error("{path}: {error}; still serving the previous certificate")]
    UnusableFile {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        error: Unusable,
    },
    /// Certificate and key in the directory do not match.
    #[error("{path}: tls.key does not match tls.crt; still serving the previous certificate")]
    KeyMismatch {
        /// The directory.
        path: PathBuf,
    },
    /// The certificate has expired, and there is no other.
    #[error("the certificate expired at {since}; check its issuer and this node's clock")]
    Expired {
        /// RFC 3339.
        since: String,
    },
    /// The certificate is not valid yet.
    #[error(
        "the certificate is not valid until {from}; check the clocks of this node and of the issuer"
    )]
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

    /// A short, stable name for the label of a metric.
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

    /// The problem for a failed request about an object.
    pub(crate) fn of_api(object: String, error: &kube::Error) -> Self {
        let code = match error {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        };
        let message = describe(error);
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
