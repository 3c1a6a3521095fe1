//! Sends one call of the SDK, by the retry loop. The SDK makes a single attempt each time.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use provider_class::Region;

use crate::aws::http::{is_too_long, no_response};
use crate::aws::outside::Sent;
use crate::aws::retry::{Attempt, Backoff, Retry, retry};
use crate::aws::{Cause, Clients, Deadline, Failure, refusals};
use crate::service::Service;

/// How often and how fast AWS is tried again.
pub const BACKOFF: Backoff = Backoff {
    attempts: 4,
    first_pause: Duration::from_millis(200),
};

/// The services of one region, until a deadline.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Makes the services' clients.
    pub clients: &'a Clients,
    /// The region.
    pub region: &'a Region,
    /// When all calls must be done.
    pub deadline: Deadline,
}

impl Target<'_> {
    /// Sends a call until it succeeds, fails for good, or time runs out. `attempt` sends it once.
    pub async fn send<T, E>(
        self,
        service: Service,
        attempt: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let once = async || match attempt().await {
            Ok(output) => Ok(output),
            Err(error) => Err(classify(service, &error)),
        };
        let what = format!("{service} in {}", self.region);
        let mut cause = match retry(what, BACKOFF, self.deadline, once).await {
            Ok(output) => return Ok(output),
            Err(cause) => cause,
        };
        if cause == Cause::NotSent
            && let Some(reason) = self.clients.contradiction(service, self.region).await
        {
            cause = Cause::Setup(reason);
        }
        Err(self.failure(service, cause))
    }

    /// A failure of a service of this region.
    pub fn failure(self, service: Service, cause: Cause) -> Failure {
        Failure {
            service,
            region: Some(self.region.clone()),
            cause,
        }
    }
}

/// Why an attempt failed, and whether another one may succeed.
fn classify<E>(service: Service, error: &SdkError<E, HttpResponse>) -> Attempt
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Some(answer) = error.raw_response() else {
        return unanswered(error);
    };
    let status = answer.status();
    let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
    let code = metadata.and_then(ErrorMetadata::code);
    let (cause, retry) = if is_too_long(error) {
        (Cause::too_long(), Retry::Never)
    } else if status.is_success() && code.is_none() {
        // The parser's error could quote the response, and that may hold a secret.
        let reason = "it was cut off, or is not in the service's format";
        (Cause::Malformed(reason.to_owned()), Retry::Few)
    } else {
        let sent = Sent::with(answer);
        let message = metadata.and_then(ErrorMetadata::message);
        let refused = Cause::Refused {
            code: sent.code_or_status(code, status.as_u16()),
            message: sent.message(message.unwrap_or_default()),
        };
        let retry = refusals::retry(service, &refused, status.as_u16());
        (refused, retry)
    };
    Attempt {
        cause,
        retry,
        pause: asked_pause(answer),
    }
}

/// Why there is no response.
fn unanswered<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Attempt {
    let is_timeout = match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_timeout(),
        _ => false,
    };
    match no_response(error) {
        Some(lost) => lost.attempt(),
        None if is_timeout => Attempt::again(Cause::NoResponse("the attempt timed out".to_owned())),
        None => Cause::NotSent.into(),
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

    use super::*;
    use crate::aws::http::error::NoResponse;

    type CallError = SdkError<GetSecretValueError, HttpResponse>;

    fn response(status: u16, headers: &[(&'static str, &'static str)]) -> HttpResponse {
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        response
    }

    #[test]
    fn a_lost_connection_is_retried_and_a_mistake_is_not() {
        let slow = CallError::timeout_error("");
        let cut_short = CallError::response_error("", response(200, &[]));
        let built_wrong = CallError::construction_failure("");
        let retries =
            [slow, cut_short, built_wrong].map(|error| classify(Service::Sts, &error).retry);
        assert_eq!(retries, [Retry::Few, Retry::Few, Retry::Never]);
        let no_response = |is_lost| {
            let cause = Cause::NoResponse("from x: the connection failed".to_owned());
            let error = ConnectorError::other(NoResponse { cause, is_lost }.into(), None);
            classify(Service::Sts, &CallError::dispatch_failure(error)).retry
        };
        assert_eq!([true, false].map(no_response), [Retry::Few, Retry::Never]);
        let timed_out = ConnectorError::timeout("of the SDK".into());
        let timed_out = CallError::dispatch_failure(timed_out);
        assert_eq!(classify(Service::Sts, &timed_out).retry, Retry::Few);
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
