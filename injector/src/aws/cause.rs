//! Why a call failed.
//!
//! A request holds the pod's token, and a response may hold a secret. So neither the SDK's errors nor their sources are ever
//! printed: only what their types say, and the code and message of a service.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::aws::http::{NoResponse, is_too_long, no_response};
use crate::aws::outside::Sent;

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
    /// From the SDK's error.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(context) => Self::refused(context.err(), context.raw()),
            SdkError::ResponseError(_) if is_too_long(error) => Self::too_long(),
            SdkError::ResponseError(context) => {
                let status = context.raw().status();
                if status.is_success() {
                    Self::cut_short()
                } else {
                    Self::Refused {
                        code: format!("HTTP status {status}"),
                        message: String::new(),
                    }
                }
            }
            SdkError::TimeoutError(_) => Self::timed_out(),
            SdkError::DispatchFailure(failure)
                if failure.is_timeout() && no_response(error).is_none() =>
            {
                Self::timed_out()
            }
            other => Self::of_connection(other).unwrap_or(Self::NotSent),
        }
    }

    /// From an error that the HTTP client made, if it is one.
    pub(crate) fn of_connection(error: &(dyn Error + 'static)) -> Option<Self> {
        let NoResponse {
            reason,
            is_untrusted,
        } = no_response(error)?.clone();
        Some(if is_untrusted {
            Self::Untrusted(reason)
        } else {
            Self::NoResponse(reason)
        })
    }

    /// From the operation's error and the response.
    fn refused(error: &impl ProvideErrorMetadata, response: &HttpResponse) -> Self {
        let status = response.status();
        if error.code().is_none() && status.is_success() {
            return Self::cut_short();
        }
        let sent = Sent::with(response);
        let code = error.code().and_then(|code| sent.code(code));
        Self::Refused {
            code: code.unwrap_or_else(|| format!("HTTP status {status}")),
            message: sent.message(error.message().unwrap_or_default()),
        }
    }

    /// A response that cannot be parsed. The parser's error could quote it, and it may hold a secret.
    fn cut_short() -> Self {
        Self::Malformed("it was cut off, or is not in the service's format".to_owned())
    }

    /// A response over the limit.
    pub(crate) fn too_long() -> Self {
        Self::Malformed("it is longer than any response of this service".to_owned())
    }

    /// An attempt that was abandoned.
    fn timed_out() -> Self {
        Self::NoResponse("the attempt timed out".to_owned())
    }

    /// Does the service throttle its callers?
    pub fn is_throttling(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(
            code.as_str(),
            "ThrottlingException" | "Throttling" | "ThrottledException" | "TooManyRequestsException" | "RequestLimitExceeded"
                | "RequestThrottled" | "RequestThrottledException" | "SlowDown" | "BandwidthLimitExceeded" | "LimitExceededException"
                | "PriorRequestNotComplete" | "TransactionInProgressException" | "HTTP status 429"
        ))
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
