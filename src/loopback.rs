//! Which addresses of the web are this machine: they may be http, are asked past every proxy, and are trusted to have
//! been typed by somebody who is on it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// True when `url` names this machine: a loopback address, or `localhost` and what is below it (RFC 6761 §6.3).
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// How what listens on `address` is reached from this machine: where it listens on all addresses, over loopback.
#[must_use]
pub fn reached(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_everyone_is_reached_over_loopback() {
        for (address, expected) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.0.0.7:80", "10.0.0.7:80"),
            ("127.0.0.2:0", "127.0.0.2:0"),
        ] {
            assert_eq!(reached(address.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn only_loopback_by_number_or_name_is_this_machine() {
        let here = |url: &str| is_this_machine(&url.parse().unwrap());
        for url in
            ["http://127.0.0.1:9", "http://127.8.8.8", "http://[::1]:9/x", "http://localhost", "https://a.localhost"]
        {
            assert!(here(url), "{url}");
        }
        for url in
            ["http://10.0.0.1", "http://[::2]", "http://localhost.example.com", "http://127.0.0.1.nip.io", "data:x"]
        {
            assert!(!here(url), "{url}");
        }
    }
}
