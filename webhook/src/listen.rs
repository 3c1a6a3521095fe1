//! Listens where it is told; on all addresses, those of IPv4 and of IPv6.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::TcpListener;

/// Binds an address. `[::]` is all addresses, IPv4's too; a machine without IPv6 has those alone.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = match TcpListener::bind(address).await {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED => {
            let without_ipv6 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await;
            without_ipv6.map_err(|_| error)
        }
        bound => bound,
    };
    bound.with_context(|| format!("could not listen on {address}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn all_addresses_are_those_of_ipv4_too() {
        let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let port = listen(all).await.unwrap().local_addr().unwrap().port();
        let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let _listener = listen(all).await.unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        let error = listen(all).await.unwrap_err();
        assert!(format!("{error:#}").contains("in use"), "{error:#}");
    }
}
