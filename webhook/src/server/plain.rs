//! Plain HTTP for probes and metrics. A new connection never waits for another one: where there are too many, the oldest is dropped
//! at once, first one of the same address. It has been answered long ago, or its client sends nothing.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Connections of one address. The kubelet opens one for each probe, Prometheus keeps one.
const OF_ONE: usize = 16;
/// Connections of all addresses.
const ALL: usize = 256;

/// A connection may be idle for this long: Prometheus comes back within a minute.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// Serves for as long as the program runs.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let task = tokio::spawn(converse(stream, router.clone()));
                connections.add(peer.ip().to_canonical(), task.abort_handle());
                // It is answered before the next one comes: its request is here already, most likely.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                // Out of file descriptors, most likely: the reviews have to give some back.
                tracing::warn!("could not accept a connection: {error}");
                connections.drop_oldest();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!("connection for probes ended: {error}");
    }
}

/// Open connections, the oldest first.
#[derive(Debug, Default)]
struct Connections(VecDeque<(IpAddr, AbortHandle)>);

impl Connections {
    fn add(&mut self, peer: IpAddr, task: AbortHandle) {
        self.0.retain(|(_, task)| !task.is_finished());
        let of_peer = self.0.iter().filter(|(other, _)| *other == peer);
        if of_peer.count() >= OF_ONE {
            let oldest = self.0.iter().position(|(other, _)| *other == peer);
            self.drop_at(oldest.unwrap_or_default());
        } else if self.0.len() >= ALL {
            self.drop_oldest();
        }
        self.0.push_back((peer, task));
    }

    fn drop_oldest(&mut self) {
        self.drop_at(0);
    }

    fn drop_at(&mut self, index: usize) {
        if let Some((_, task)) = self.0.remove(index) {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> AbortHandle {
        tokio::spawn(std::future::pending::<()>()).abort_handle()
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_the_oldest_of_all_goes() {
        let mut connections = Connections::default();
        let peer = |number: u8| IpAddr::from([10, 0, 0, number]);
        let open = |connections: &Connections, number| {
            let peers = connections.0.iter().map(|(peer, _)| *peer);
            peers.filter(|other| *other == peer(number)).count()
        };
        connections.add(peer(1), task());
        for _ in 0..1000 {
            connections.add(peer(2), task());
        }
        assert_eq!(open(&connections, 1), 1, "another address does not matter");
        assert_eq!(open(&connections, 2), OF_ONE);
        for number in 3..20 {
            for _ in 0..OF_ONE {
                connections.add(peer(number), task());
            }
        }
        assert_eq!((connections.0.len(), open(&connections, 1)), (ALL, 0));
    }
}
