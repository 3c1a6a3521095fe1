//! Binds an address; `[::]` means all addresses, IPv4 and IPv6.

use std::net::SocketAddr;

use anyhow::Context as _;
use provider_class::listen;
use tokio::net::TcpListener;

/// Binds an address. On a machine without IPv6, `[::]` means all IPv4 addresses.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(&listen::addresses(address)[..]).await;
    bound.with_context(|| format!("could not listen on {address}"))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

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
