//! Tells the app that files changed.

mod http;
mod signal;

use std::path::Path;
use std::time::Duration;

use provider_class::OnRefresh;

/// Pauses between tries: an app that starts up or is busy gets a moment.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Why the app does not know.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotifyError {
    /// The signal.
    #[error(transparent)]
    Signal(#[from] signal::SignalError),
    /// The request.
    #[error(transparent)]
    Http(#[from] http::RequestError),
}

/// Tries a few times.
pub(super) async fn tell(how: &OnRefresh) -> Result<(), NotifyError> {
    for pause in PAUSES {
        match tell_once(how).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::debug!("could not tell the app: {error}"),
        }
        tokio::time::sleep(pause).await;
    }
    tell_once(how).await
}

async fn tell_once(how: &OnRefresh) -> Result<(), NotifyError> {
    match how {
        OnRefresh::Signal { signal, container } => {
            let process = signal::first_process(Path::new("/proc"), container)?;
            Ok(signal::send(process, *signal, container)?)
        }
        OnRefresh::Http { method, port, path } => Ok(http::send(*method, *port, path).await?),
    }
}
