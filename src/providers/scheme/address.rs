//! The URL as its sender knows it: what stands in our configuration, with the path and the query as they came.
//!
//! Nothing of the request says under which scheme, host and port it was sent: proxies change all three. So these are
//! configured, and senders that spell a URL in several ways are met by trying each.

use serde::Deserialize;
use url::Url;

use crate::providers::Webhook;

/// A spelling of the URL that senders sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Variant {
    /// As it stands.
    Exact,
    /// Without the port.
    NoPort,
    /// With the port that its scheme has by itself.
    DefaultPort,
    /// As browsers write it (WHATWG URL): `'` in the query becomes `%27`.
    Whatwg,
}

/// Where senders reach a source, and how they may spell it.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// Scheme, host, port and perhaps a path, without a slash at its end.
    pub(super) base: String,
    /// The spellings that count.
    pub(super) variants: Vec<Variant>,
}

impl Address {
    /// Every spelling of the URL of `webhook` that counts, each made when it is asked for: most senders sign the first.
    pub(super) fn urls(&self, webhook: &Webhook) -> impl Iterator<Item = String> {
        let exact = self.exact(webhook);
        let mut made = Vec::new();
        self.variants.iter().filter_map(move |variant| {
            let url = spelled(&exact, *variant).filter(|url| !made.contains(url))?;
            made.push(url.clone());
            Some(url)
        })
    }

    fn exact(&self, webhook: &Webhook) -> String {
        let question = if webhook.query.is_empty() { "" } else { "?" };
        format!("{}{}{question}{}", self.base, webhook.path, webhook.query)
    }
}

/// The URLs to try for `webhook`; one `None` where no URL is signed.
pub(super) fn urls(address: Option<&Address>, webhook: &Webhook) -> impl Iterator<Item = Option<String>> {
    let none = address.is_none().then_some(None);
    none.into_iter().chain(address.into_iter().flat_map(|address| address.urls(webhook)).map(Some))
}

fn spelled(url: &str, variant: Variant) -> Option<String> {
    match variant {
        Variant::Exact => Some(url.to_owned()),
        Variant::NoPort => with_port(url, None),
        Variant::DefaultPort => {
            let port = if url.starts_with("https:") { "443" } else { "80" };
            with_port(url, Some(port))
        }
        Variant::Whatwg => Url::parse(url).ok().map(String::from),
    }
}

/// `url` with this port and every other letter as it is.
fn with_port(url: &str, port: Option<&str>) -> Option<String> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let host = start + url[start..end].rfind('@').map_or(0, |at| at + 1);
    let authority = &url[host..end];
    // A colon inside the brackets of an IPv6 address is none of a port.
    let bare = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}{bare}{port}{}", &url[..host], &url[end..]))
}

/// The URL as HubSpot signs it: twelve escapes undone and nothing else (its documentation lists them).
pub(super) fn hubspot(url: &str) -> String {
    const ESCAPES: [(&str, &str); 12] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    ESCAPES.iter().fold(url.to_owned(), |url, (escape, plain)| url.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_goes_and_comes_and_nothing_else_changes() {
        for (url, without, with) in [
            ("https://a.example:1234/x:1?y=:2", "https://a.example/x:1?y=:2", "https://a.example:443/x:1?y=:2"),
            ("http://u:p@a.example", "http://u:p@a.example", "http://u:p@a.example:80"),
            ("https://[::1]:8443/", "https://[::1]/", "https://[::1]:443/"),
            ("https://[::1]/", "https://[::1]/", "https://[::1]:443/"),
        ] {
            assert_eq!(spelled(url, Variant::NoPort).as_deref(), Some(without));
            assert_eq!(spelled(url, Variant::DefaultPort).as_deref(), Some(with));
        }
        assert_eq!(spelled("nowhere", Variant::NoPort), None);
    }

    #[test]
    fn hubspot_undoes_twelve_escapes_and_no_more() {
        assert_eq!(hubspot("https://a/?x=a%2Cb%40c%20d%2520%2c"), "https://a/?x=a,b@c%20d%2520%2c");
    }
}
