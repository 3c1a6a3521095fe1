//! Notifies the app that files changed.

mod http;
mod signal;

use std::path::Path;
use std::time::Duration;

use provider_class::Notification;

/// Pauses between attempts, for an app that is busy or still starting.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Why the app could not be notified.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotifyError {
    /// The signal could not be sent.
    #[error(transparent)]
    Signal(#[from] signal::SignalError),
    /// The request failed.
    #[error(transparent)]
    Http(#[from] http::RequestError),
}

/// Notifies the app, with a few attempts.
pub(super) async fn notify(how: &Notification) -> Result<(), NotifyError> {
    for pause in PAUSES {
        match notify_once(how).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::debug!("could not notify the app: {error}"),
        }
        tokio::time::sleep(pause).await;
    }
    notify_once(how).await
}

async fn notify_once(how: &Notification) -> Result<(), NotifyError> {
    match how {
        Notification::Signal { signal, container } => {
            let process = signal::first_process(Path::new("/proc"), container)?;
            Ok(signal::send(process, *signal, container)?)
        }
        Notification::Http { method, port, path } => Ok(http::send(*method, *port, path).await?),
    }
}
