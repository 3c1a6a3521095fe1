//! Why a call failed.
//!
//! A request holds the pod's token, and a response may hold a secret. So neither the SDK's errors nor their sources are ever
//! printed: only what their types say, and the code and message of a service.

use std::fmt;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The service answered with an error.
    Refused {
        /// Its code, such as `AccessDeniedException`.
        code: String,
        /// Its message.
        message: String,
    },
    /// No response: how the connection failed.
    NoResponse(String),
    /// No response, because the server's certificate is not trusted.
    Untrusted(String),
    /// Time ran out.
    Deadline {
        /// The whole timeout, in seconds.
        seconds: u64,
        /// How the last attempt failed, if one did.
        last: Option<Box<Cause>>,
    },
    /// A response that is not in the service's format.
    Malformed(String),
    /// The SDK could not make a request.
    NotSent,
    /// A mistake in the pod's setup, such as a missing variable or an unreadable token file.
    Setup(String),
}

impl Cause {
    /// A response over the limit.
    pub(crate) fn too_long() -> Self {
        Self::Malformed("it is longer than any response of this service".to_owned())
    }
}

/// Says why, without what to do.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } if message.is_empty() => f.write_str(code),
            Self::Refused { code, message } => {
                write!(f, "{code}: {}", message.trim_end_matches('.'))
            }
            Self::NoResponse(reason) | Self::Untrusted(reason) => {
                write!(f, "no response: {reason}")
            }
            Self::Deadline {
                seconds,
                last: None,
            } => write!(f, "no response within {seconds} s (--timeout)"),
            Self::Deadline {
                seconds,
                last: Some(last),
            } => {
                write!(
                    f,
                    "no success within {seconds} s (--timeout); last attempt: {last}"
                )
            }
            Self::Malformed(reason) => write!(f, "the response cannot be parsed: {reason}"),
            Self::NotSent => f.write_str("could not build a request from these settings"),
            Self::Setup(reason) => f.write_str(reason),
        }
    }
}
