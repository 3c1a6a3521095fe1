//! The loop that keeps certificates right: looks whenever something is due or has changed, and reports how it goes.

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

/// After a failure the next try comes after this time.
const RETRY: Duration = Duration::from_secs(5);

/// Where certificates come from.
pub enum Source {
    /// Of our own, shared in a Secret; the `caBundle` is published.
    Secret(Box<SecretSource>),
    /// `tls.crt` and `tls.key` in a mounted directory; who put them there publishes the `caBundle`.
    Directory(PathBuf),
}

enum Running {
    Shared(Box<Shared>),
    Directory(Box<Directory>),
}

/// Tells the time.
type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// Keeps the certificates of one webhook.
pub struct Keeper {
    source: Running,
    shown: Shown,
    clock: Clock,
}

impl Keeper {
    /// Certificates of this source are shown by this resolver, as soon as the keeper runs.
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

    /// With another clock than the system's, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// How it goes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shown.subscribe()
    }

    /// Runs until it is dropped. Failures are reported and tried again.
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
            // One look answers all changes that are known before it begins.
            while let Some(Some(())) = changes.next().now_or_never() {}
        }
    }

    /// Makes everything right once; returns when to look again.
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
