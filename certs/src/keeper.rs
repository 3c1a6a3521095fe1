//! The loop that maintains the certificates: it acts when something is due or has changed, and reports the status.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;

use crate::directory::Directory;
use crate::resolver::Resolver;
use crate::shared::Shared;
use crate::shown::Shown;
use crate::status::{Problem, Status};

pub use crate::shared::SecretSource;

/// Delay before a retry after a failure. After an outage of the API server, it is all that a certificate which expired
/// meanwhile waits for.
const RETRY: Duration = Duration::from_secs(1);

/// The source of certificates.
pub enum Source {
    /// Issued here, from CAs in a shared Secret. The `caBundle` is published.
    Secret(Box<SecretSource>),
    /// `tls.crt` and `tls.key` in a mounted directory. Whoever provides them publishes the `caBundle`.
    Directory(PathBuf),
}

enum Running {
    Shared(Box<Shared>),
    Directory(Box<Directory>),
}

/// A clock.
type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// Maintains the certificates of one webhook.
pub struct Keeper {
    source: Running,
    shown: Shown,
    clock: Clock,
}

impl Keeper {
    /// The resolver serves certificates of this source as soon as the keeper runs.
    pub fn new(source: Source, resolver: Arc<Resolver>) -> Self {
        let source = match source {
            Source::Secret(source) => Running::Shared(Box::new(Shared::new(*source))),
            Source::Directory(path) => Running::Directory(Box::new(Directory::new(path))),
        };
        Self {
            source,
            shown: Shown::new(resolver),
            clock: Box::new(SystemTime::now),
        }
    }

    /// Uses another clock than the system's, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The current status.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shown.subscribe()
    }

    /// Runs until it is dropped. Failures are reported and retried.
    pub async fn run(mut self) {
        let mut changes: BoxStream<'static, ()> = match &self.source {
            Running::Shared(shared) => shared.changes(),
            Running::Directory(_) => stream::pending().boxed(),
        };
        loop {
            let wait = match self.keep().await {
                Ok(next) => next.duration_since((self.clock)()).unwrap_or_default(),
                Err(_) => RETRY,
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = changes.next() => {}
            }
            // One look handles all changes that are known before it starts.
            while let Some(Some(())) = changes.next().now_or_never() {}
        }
    }

    /// Does what is due once. Returns when to check again.
    pub async fn keep(&mut self) -> Result<SystemTime, Problem> {
        let kept = match &mut self.source {
            Running::Shared(shared) => shared.look(&mut self.shown, &*self.clock).await,
            Running::Directory(directory) => directory.look(&mut self.shown, (self.clock)()).await,
        };
        let problem = kept.as_ref().err().cloned();
        self.shown.report(problem, (self.clock)());
        kept
    }
}
