//! Tells the app that files have changed.

mod http;
pub mod processes;
mod signal;

use std::path::Path;
use std::time::Duration;

use provider_class::OnRefresh;

/// Tries of one change; after the last the next round tries again.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Tells the app, a few times if need be. The error is the last one.
pub(super) async fn tell(on_refresh: &OnRefresh) -> Result<(), String> {
    let mut tried = 1;
    loop {
        let result = match on_refresh {
            OnRefresh::Signal { signal, container } => {
                signal::send(Path::new("/proc"), *signal, container)
            }
            OnRefresh::Http { method, port, path } => http::send(*method, *port, path).await,
        };
        match result {
            Err(_) if tried < TRIES => {
                tokio::time::sleep(FIRST_PAUSE * tried).await;
                tried += 1;
            }
            result => return result,
        }
    }
}
