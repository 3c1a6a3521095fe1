//! Sends one call of the SDK, by the retry loop. The SDK makes a single attempt each time.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use provider_class::Region;

use crate::aws::retry::{Attempt, Backoff, Retry, retry};
use crate::aws::{Cause, Clients, Deadline, Failure};
use crate::service::Service;

/// How often and how fast AWS is tried again.
pub const BACKOFF: Backoff = Backoff {
    attempts: 4,
    first_pause: Duration::from_millis(200),
};

/// Sends a call until it succeeds, fails for good, or time runs out. `attempt` sends it once.
pub async fn send<T, E>(
    clients: &Clients,
    service: Service,
    region: &Region,
    deadline: Deadline,
    attempt: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let once = async || match attempt().await {
        Ok(output) => Ok(output),
        Err(error) => Err(classify(&error)),
    };
    let what = format!("{service} in {region}");
    let mut cause = match retry(what, BACKOFF, deadline, once).await {
        Ok(output) => return Ok(output),
        Err(cause) => cause,
    };
    if cause == Cause::NotSent
        && let Some(contradiction) = clients.contradiction(service, region).await
    {
        cause = Cause::Setup(contradiction);
    }
    Err(Failure {
        service,
        region: Some(region.clone()),
        cause,
    })
}

/// Why an attempt failed, and whether another one may succeed.
fn classify<E>(error: &SdkError<E, HttpResponse>) -> Attempt
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let cause = Cause::of(error);
    let answer = error.raw_response();
    let status = answer.map(|answer| answer.status().as_u16());
    Attempt {
        retry: retry_of(error, &cause, status),
        pause: answer.and_then(asked_pause),
        cause,
    }
}

/// Source: the SDK's own classifiers for its standard retries, in
/// <https://docs.rs/aws-runtime/latest/aws_runtime/retries/classifiers/index.html> and
/// <https://docs.rs/aws-smithy-runtime/latest/aws_smithy_runtime/client/retries/classifiers/index.html>.
fn retry_of<E>(error: &SdkError<E, HttpResponse>, cause: &Cause, status: Option<u16>) -> Retry {
    match cause {
        cause if cause.is_throttling() => Retry::UntilDeadline,
        Cause::Refused { code, .. } => match (code.as_str(), status) {
            (_, Some(429)) => Retry::UntilDeadline,
            (_, Some(500 | 502 | 503 | 504))
            | ("RequestTimeout" | "RequestTimeoutException" | "IDPCommunicationError", _) => {
                Retry::Few
            }
            // The SDK's client learns the time from each answer, and signs the next attempt with it.
            (
                "InvalidSignatureException"
                | "SignatureDoesNotMatch"
                | "RequestTimeTooSkewed"
                | "RequestExpired",
                _,
            ) => Retry::Few,
            _ => Retry::Never,
        },
        // What is not of input and output would fail alike the next time.
        Cause::NoResponse(_) => match error {
            SdkError::DispatchFailure(failure) if !failure.is_io() && !failure.is_timeout() => {
                Retry::Never
            }
            _ => Retry::Few,
        },
        cause if *cause == Cause::too_long() => Retry::Never,
        Cause::Malformed(_) => Retry::Few,
        Cause::Untrusted(_) | Cause::Deadline { .. } | Cause::NotSent | Cause::Setup(_) => {
            Retry::Never
        }
    }
}

/// The pause that an answer asks for: AWS's header has milliseconds, HTTP's own has seconds.
fn asked_pause(answer: &HttpResponse) -> Option<Duration> {
    if let Some(milliseconds) = number(answer, "x-amz-retry-after") {
        return Some(Duration::from_millis(milliseconds));
    }
    number(answer, "retry-after").map(Duration::from_secs)
}

fn number(answer: &HttpResponse, header: &str) -> Option<u64> {
    answer.headers().get(header)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    type CallError = SdkError<GetSecretValueError, HttpResponse>;

    fn response(status: u16, headers: &[(&'static str, &'static str)]) -> HttpResponse {
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        response
    }

    fn refusal(
        code: Option<&str>,
        status: u16,
        headers: &[(&'static str, &'static str)],
    ) -> CallError {
        let mut metadata = ErrorMetadata::builder();
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        let error = GetSecretValueError::generic(metadata.build());
        SdkError::service_error(error, response(status, headers))
    }

    #[test]
    fn a_refusal_is_retried_by_its_code_or_status() {
        for (code, status, expected) in [
            (Some("AccessDeniedException"), 400, Retry::Never),
            (Some("ResourceNotFoundException"), 400, Retry::Never),
            (Some("ExpiredTokenException"), 403, Retry::Never),
            (None, 403, Retry::Never),
            (None, 501, Retry::Never),
            (Some("InternalServiceError"), 500, Retry::Few),
            (None, 502, Retry::Few),
            (Some("ServiceUnavailable"), 503, Retry::Few),
            (None, 504, Retry::Few),
            (Some("RequestTimeout"), 400, Retry::Few),
            (Some("IDPCommunicationError"), 400, Retry::Few),
            (Some("InvalidSignatureException"), 400, Retry::Few),
            (Some("RequestExpired"), 400, Retry::Few),
            (Some("ThrottlingException"), 400, Retry::UntilDeadline),
            (Some("SlowDown"), 503, Retry::UntilDeadline),
            (Some("Odd"), 429, Retry::UntilDeadline),
            (None, 429, Retry::UntilDeadline),
        ] {
            let attempt = classify(&refusal(code, status, &[]));
            assert_eq!(attempt.retry, expected, "{code:?} {status}");
        }
    }

    #[test]
    fn a_lost_connection_is_retried_and_a_mistake_is_not() {
        let slow = CallError::timeout_error("");
        let cut_short = CallError::response_error("", response(200, &[]));
        let built_wrong = CallError::construction_failure("");
        let retries = [slow, cut_short, built_wrong].map(|error| classify(&error).retry);
        assert_eq!(retries, [Retry::Few, Retry::Few, Retry::Never]);
        let no_response = || crate::aws::http::NoResponse {
            reason: "from x: the connection was lost".to_owned(),
            is_untrusted: false,
        };
        let lost = CallError::dispatch_failure(ConnectorError::io(no_response().into()));
        assert_eq!(classify(&lost).retry, Retry::Few);
        let timed_out = ConnectorError::timeout("of the SDK".into());
        let timed_out = CallError::dispatch_failure(timed_out);
        assert_eq!(classify(&timed_out).retry, Retry::Few);
        let not_http = ConnectorError::other(no_response().into(), None);
        let not_http = CallError::dispatch_failure(not_http);
        assert_eq!(classify(&not_http).retry, Retry::Never);
    }

    #[test]
    fn a_pause_is_read_from_either_header() {
        let pause = |headers: &[(&'static str, &'static str)]| asked_pause(&response(503, headers));
        let aws = ("x-amz-retry-after", "1500");
        assert_eq!(pause(&[aws]), Some(Duration::from_millis(1500)));
        assert_eq!(pause(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        let both = [("retry-after", "7"), aws];
        assert_eq!(pause(&both), Some(Duration::from_millis(1500)));
        let date = ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(pause(&[date]), None);
    }
}
