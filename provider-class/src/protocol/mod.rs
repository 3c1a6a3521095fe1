//! What the webhook passes to the injector.

pub mod on_refresh;
pub mod refresh;
pub(crate) mod secret_sync;
pub(crate) mod snapshot;
pub mod variables;
