//! Sends one call until it succeeds, fails for good, or time runs out.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use provider_class::Region;
use tokio::time::Instant;

use crate::aws::{Cause, Failure, Service, failure};

/// When all calls must be done.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    whole: Duration,
}

impl Deadline {
    /// A deadline so long from now.
    pub fn after(whole: Duration) -> Self {
        Self {
            at: Instant::now() + whole,
            whole,
        }
    }

    fn missed(self, last: Option<Box<Cause>>) -> Cause {
        Cause::Deadline {
            seconds: self.whole.as_secs(),
            last,
        }
    }

    /// Half of what is left: what a first region may use up where there is a second one.
    #[must_use]
    pub fn half(self) -> Self {
        let left = self.at.saturating_duration_since(Instant::now()) / 2;
        Self {
            at: Instant::now() + left,
            whole: left,
        }
    }
}

/// What the last attempt of a call met, for the message when time runs out. As an interceptor it sees the attempts
/// that the SDK makes on its own; `E` is the operation's error.
#[derive(Debug)]
pub struct LastError<E> {
    cause: Arc<Mutex<Option<Cause>>>,
    operation: PhantomData<fn() -> E>,
}

impl<E> Clone for LastError<E> {
    fn clone(&self) -> Self {
        Self {
            cause: Arc::clone(&self.cause),
            operation: PhantomData,
        }
    }
}

impl<E> LastError<E> {
    fn none() -> Self {
        Self {
            cause: Arc::default(),
            operation: PhantomData,
        }
    }

    fn set(&self, cause: Cause) {
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
    }

    fn get(&self) -> Option<Box<Cause>> {
        self.cause
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .map(Box::new)
    }
}

impl<E> Intercept for LastError<E>
where
    E: ProvideErrorMetadata + Error + Send + Sync + fmt::Debug + 'static,
{
    fn name(&self) -> &'static str {
        "LastError"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Err(error)) = context.output_or_error() else {
            return Ok(());
        };
        let operation = error
            .as_operation_error()
            .and_then(|error| error.downcast_ref::<E>());
        let cause = match (operation, error.as_connector_error()) {
            (Some(refused), _) => Cause::refused(
                refused,
                context
                    .response()
                    .map(|response| response.status().as_u16()),
            ),
            (None, Some(connector)) => Cause::NoAnswer(failure::chain(connector)),
            (None, None) if error.is_timeout_error() => {
                Cause::NoAnswer("it took too long".to_owned())
            }
            (None, None) => return Ok(()),
        };
        tracing::debug!("attempt failed: {cause}");
        self.set(cause);
        Ok(())
    }
}

/// The longest wait between two tries of a throttled call.
const THROTTLED_PAUSE: Duration = Duration::from_secs(3);

/// Sends a call. The SDK retries what a retry can mend, a few times; a throttled call is tried again until the deadline,
/// because waiting is all that it needs.
pub async fn send<T, E, F>(
    service: Service,
    region: &Region,
    deadline: Deadline,
    attempt: impl Fn(LastError<E>) -> F,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata + Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let fail = |cause| Failure {
        service,
        region: Some(region.clone()),
        cause,
    };
    let last = LastError::none();
    let until_done = async {
        loop {
            let error = match attempt(last.clone()).await {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let cause = Cause::of(&error);
            if !cause.is_throttling() {
                return Err(fail(cause));
            }
            tracing::warn!("{service} in {region}: {cause}; trying again");
            last.set(cause);
            tokio::time::sleep(THROTTLED_PAUSE).await;
        }
    };
    match tokio::time::timeout_at(deadline.at, until_done).await {
        Ok(result) => result,
        Err(_) => Err(fail(deadline.missed(last.get()))),
    }
}

/// The same bound for what is not a call of the SDK.
pub(crate) async fn within<T>(
    deadline: Deadline,
    work: impl Future<Output = Result<T, Cause>>,
) -> Result<T, Cause> {
    tokio::time::timeout_at(deadline.at, work)
        .await
        .unwrap_or_else(|_| Err(deadline.missed(None)))
}
