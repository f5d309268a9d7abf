//! Who a request comes from, as far as the proxies in front are to be believed. An address is personal data, so only its
//! network is ever written down, at `debug`.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the last one of `Forwarded`, or else of `X-Forwarded-For`, that is not itself a trusted proxy.
///
/// Only what a trusted proxy has added counts, so the headers are read from their end, and only if `peer` is trusted.
pub(super) fn address(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.ip().to_canonical();
    let hops = hops(headers);
    for hop in hops.iter().rev() {
        if !trusted.iter().any(|network| network.contains(&address)) {
            break;
        }
        // What is hidden or garbled cannot be looked behind.
        let Some(before) = hop else { break };
        address = *before;
    }
    address
}

/// The network of an address: as much as tells one sender's machines from another's, and no person from their neighbours.
pub(super) fn network(address: IpAddr) -> IpNet {
    let prefix = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new_assert(address, prefix).trunc()
}

/// The addresses that proxies have written down, the nearest last; `None` for what is no address.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    if headers.contains_key(FORWARDED) {
        return elements(headers, &FORWARDED).map(forwarded_for).collect();
    }
    elements(headers, &X_FORWARDED_FOR).map(node).collect()
}

/// The comma-separated elements of all headers of that name.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','))
}

/// The `for` of an element of `Forwarded` (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("for")).and_then(|(_, value)| node(value))
}

/// An address with or without quotes, brackets and port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let address = bare.ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn from(peer: &str, header: &str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.append(header.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        address(format!("{peer}:1").parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(from("203.0.113.9", "x-forwarded-for", "1.2.3.4"), "203.0.113.9");
        assert_eq!(from("10.0.0.1", "x-forwarded-for", "1.2.3.4"), "1.2.3.4");
        assert_eq!(from("[::ffff:10.0.0.1]", "x-forwarded-for", "1.2.3.4"), "1.2.3.4");
    }

    #[test]
    fn what_a_client_claims_of_itself_is_not_believed() {
        assert_eq!(from("10.0.0.1", "x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.7"), "1.2.3.4");
        assert_eq!(from("10.0.0.1", "x-forwarded-for", "6.6.6.6, unknown, 10.0.0.7"), "10.0.0.7");
    }

    #[test]
    fn both_headers_are_read_with_ports_and_brackets() {
        assert_eq!(from("10.0.0.1", "forwarded", "for=6.6.6.6, proto=https;For=\"[2001:db8::7]:443\""), "2001:db8::7");
        assert_eq!(from("[::1]", "forwarded", "for=1.2.3.4:5"), "1.2.3.4");
        assert_eq!(from("10.0.0.1", "forwarded", "for=_hidden"), "10.0.0.1");
        assert_eq!(from("10.0.0.1", "x-forwarded-for", "[2001:db8::7]"), "2001:db8::7");
    }

    #[test]
    fn of_an_address_only_the_network_is_written_down() {
        let shown = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(shown("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(shown("2001:db8:1:2::77"), "2001:db8:1::/48");
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,80}") {
            let _ = (from("10.0.0.1", "forwarded", &value), from("10.0.0.1", "x-forwarded-for", &value));
        }
    }
}
