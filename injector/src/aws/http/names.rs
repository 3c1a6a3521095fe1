//! Looks up the names of servers: once for all connections that are opened together.
//!
//! A pod's resolver asks for a name in each of its search domains, for both kinds of addresses. With a lookup for each of fifty
//! connections, one pod would send hundreds of questions to the cluster's DNS, and a node group that starts, millions.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::Shared;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::time::Instant;
use tower_service::Service;

/// A lookup is for connections that are opened now. A retry makes another one: the addresses may have changed, and a question
/// that was lost is not answered any more.
const FRESH: Duration = Duration::from_secs(1);
/// The addresses of a server share the time for a connection, and each must have enough of it for another continent.
const MOST_ADDRESSES: usize = 6;

/// What a lookup gave to all who wait for it.
type Answer = Result<Vec<SocketAddr>, Arc<io::Error>>;
type Lookup = Shared<Pin<Box<dyn Future<Output = Answer> + Send>>>;

/// Shares lookups; so do its clones.
#[derive(Clone)]
pub(super) struct Names<R = GaiResolver> {
    resolver: R,
    lookups: Arc<Mutex<HashMap<Name, (Instant, Lookup)>>>,
}

impl<R> std::fmt::Debug for Names<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

impl<R> Names<R> {
    pub(super) fn new(resolver: R) -> Self {
        Self {
            resolver,
            lookups: Arc::default(),
        }
    }
}

impl<R> Service<Name> for Names<R>
where
    R: Service<Name, Error = io::Error>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Future: Send + 'static,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Arc<io::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.resolver.poll_ready(context).map_err(Arc::new)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        let current = lookups.get(&name).filter(|(since, lookup)| {
            since.elapsed() < FRESH && lookup.peek().is_none_or(Result::is_ok)
        });
        let lookup = if let Some((_, lookup)) = current {
            lookup.clone()
        } else {
            let asked = self.resolver.call(name.clone());
            let answer = async {
                Ok(asked
                    .await
                    .map_err(Arc::new)?
                    .take(MOST_ADDRESSES)
                    .collect())
            };
            let lookup = answer.boxed().shared();
            lookups.insert(name, (Instant::now(), lookup.clone()));
            lookup
        };
        lookup.map(|answer| answer.map(Vec::into_iter)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    /// Answers after a second, from the nth time on; counts the questions.
    #[derive(Clone)]
    struct Slow {
        asked: Arc<AtomicUsize>,
        good_from: usize,
    }

    impl Service<Name> for Slow {
        type Response = std::iter::Once<SocketAddr>;
        type Error = io::Error;
        type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            let time = self.asked.fetch_add(1, Ordering::Relaxed);
            let is_good = time >= self.good_from;
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if is_good {
                    Ok(std::iter::once((Ipv4Addr::LOCALHOST, 0).into()))
                } else {
                    Err(io::Error::other("failed to lookup address information: no"))
                }
            }
            .boxed()
        }
    }

    /// Fifty connections to each of two servers. Returns how many of their lookups failed.
    async fn connect(names: &Names<Slow>) -> usize {
        let lookups = (0..100).map(|index| {
            let name = ["sts.example", "ssm.example"][index % 2];
            names.clone().call(name.parse().unwrap())
        });
        let answers = join_all(lookups).await;
        answers.iter().filter(|answer| answer.is_err()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_are_opened_together_share_a_lookup_and_later_ones_do_not() {
        let asked = Arc::new(AtomicUsize::new(0));
        let names = Names::new(Slow {
            asked: Arc::clone(&asked),
            good_from: 2,
        });
        assert_eq!(connect(&names).await, 100);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        // A failure is not kept.
        assert_eq!(connect(&names).await, 0);
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        tokio::time::sleep(FRESH).await;
        assert_eq!(connect(&names).await, 0);
        assert_eq!(asked.load(Ordering::Relaxed), 6);
        // Nor is a lookup that nobody waited for to its end.
        tokio::time::sleep(FRESH).await;
        let half = Duration::from_millis(500);
        assert!(tokio::time::timeout(half, connect(&names)).await.is_err());
        tokio::time::sleep(FRESH).await;
        assert_eq!(connect(&names).await, 0);
        assert_eq!(asked.load(Ordering::Relaxed), 10);
    }
}
