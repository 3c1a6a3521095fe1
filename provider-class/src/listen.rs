//! The addresses on which both programs listen.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses to bind for a configured one: the first that can be bound. `[::]` means all addresses, also those of
/// IPv4; a machine without IPv6 only has `0.0.0.0`.
pub fn addresses(configured: SocketAddr) -> Vec<SocketAddr> {
    let mut addresses = vec![configured];
    if configured.ip() == Ipv6Addr::UNSPECIFIED {
        addresses.push((Ipv4Addr::UNSPECIFIED, configured.port()).into());
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_addresses_have_an_ipv4_form() {
        for (configured, expected) in [
            ("[::]:80", &["[::]:80", "0.0.0.0:80"][..]),
            ("[::1]:80", &["[::1]:80"]),
            ("0.0.0.0:80", &["0.0.0.0:80"]),
        ] {
            let addresses = addresses(configured.parse().unwrap());
            let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            assert_eq!(texts, expected);
        }
    }
}
