//! What may be written down of a proof that does not hold, to tell it from others: nothing that is secret, and nothing that
//! could prove anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Kind;
use super::address::Address;
use crate::providers::Webhook;

/// How much of a signature is written down, in bytes: eight letters in hex, and a billion times too few to sign with.
const BEGINNING: usize = 4;

/// What stands in a URL where something secret may have stood.
const MASK: &str = "***";

/// The most of a URL that is written down, in letters.
const LONGEST: usize = 300;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The first eight letters, in hex, of the signature that came; of a token nothing.
    pub signature: Option<String>,
    /// The URL that went into the comparison, where the sender signs it: without the token in its path, and of the query the
    /// names alone.
    pub url: Option<String>,
}

impl Kind {
    pub(super) fn signature_begins(&self, webhook: &Webhook) -> Option<String> {
        match self {
            Self::Mac(mac) => mac.given(webhook).ok()?.first().map(|digest| beginning(digest)),
            Self::Jwt(jwt) => {
                let signature = jwt.token(webhook).ok()?.rsplit_once('.')?.1;
                Some(beginning(&URL_SAFE_NO_PAD.decode(signature).ok()?))
            }
            Self::Token(_) | Self::Public => None,
            Self::All(kinds) | Self::Any(kinds) => kinds.iter().find_map(|kind| kind.signature_begins(webhook)),
        }
    }

    pub(super) fn signed_url(&self, webhook: &Webhook) -> Option<String> {
        match self {
            Self::Mac(mac) => mac.address.as_ref().map(|address| shown(address, webhook)),
            Self::Jwt(jwt) => jwt.address.as_ref().map(|address| shown(address, webhook)),
            Self::Token(_) | Self::Public => None,
            Self::All(kinds) | Self::Any(kinds) => kinds.iter().find_map(|kind| kind.signed_url(webhook)),
        }
    }
}

fn beginning(signature: &[u8]) -> String {
    hex::encode(&signature[..signature.len().min(BEGINNING)])
}

fn shown(address: &Address, webhook: &Webhook) -> String {
    let path = match webhook.path_token.as_deref().and_then(|token| webhook.path.rsplit_once(token)) {
        Some((before, after)) => [before, MASK, after].concat(),
        None => webhook.path.clone(),
    };
    let pairs = webhook.query.split('&').filter(|pair| !pair.is_empty());
    let query: Vec<_> = pairs
        .map(|pair| pair.split_once('=').map_or_else(|| MASK.to_owned(), |(name, _)| format!("{name}={MASK}")))
        .collect();
    let question = if query.is_empty() { "" } else { "?" };
    let url = format!("{}{path}{question}{}", address.base, query.join("&"));
    url.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Scheme;
    use super::super::tests::post;
    use super::*;
    use crate::domain::event::SourceName;
    use crate::providers::Place;

    fn scheme(text: &str) -> Scheme {
        let place = Place::new(SourceName::parse("x").unwrap(), Some("https://a.example/b/"));
        Scheme::parse(toml::Value::Table(text.parse().unwrap()), &place).unwrap()
    }

    #[test]
    fn of_a_signature_the_first_four_bytes_are_told_in_hex_whatever_it_is_written_in() {
        let base = "kind = 'hmac'\nalgorithm = 'sha256'\nbase = '{body}'\nsecrets = ['fake-secret-0123456789']\nsignature = { header = 'X-Sig' }";
        for (encoding, given) in [
            ("hex", "0a1b2c3d".to_owned() + &"00".repeat(28)),
            ("base64", "Chss".to_owned() + "PQ" + &"A".repeat(37) + "="),
        ] {
            let scheme = scheme(&format!("{base}\nencoding = '{encoding}'"));
            let begins = scheme.trace(&post(&[("x-sig", &given)], "{}")).signature;
            assert_eq!(begins.as_deref(), Some("0a1b2c3d"), "{encoding}");
            assert_eq!(scheme.trace(&post(&[("x-sig", "garbled")], "{}")), Trace::default());
        }
    }

    #[test]
    fn of_a_token_nothing_is_told() {
        let scheme =
            scheme("kind = 'token'\nlocation = 'header'\nname = 'X-Token'\nsecrets = ['fake-secret-0123456789012345']");
        assert_eq!(scheme.trace(&post(&[("x-token", "fake-secret-0123456789012344")], "{}")), Trace::default());
    }

    #[test]
    fn the_url_is_told_without_what_may_be_secret_in_it() {
        let scheme = scheme(
            "kind = 'hmac'\nalgorithm = 'sha1'\nencoding = 'base64'\nbase = '{url}{body}'\nsecrets = ['fake-secret-0123456789']\nsignature = { header = 'X-Sig' }",
        );
        let mut webhook = post(&[], "");
        let url = |webhook: &Webhook| scheme.trace(webhook).url.unwrap();
        assert_eq!(url(&webhook), "https://a.example/b/hooks/x");
        (webhook.path, webhook.path_token) = ("/hooks/x/x/".into(), Some("x".into()));
        webhook.query = "key=geheim&flag&b=%20".into();
        assert_eq!(url(&webhook), "https://a.example/b/hooks/x/***/?key=***&***&b=***");
        webhook.query = "a".repeat(1000) + "=1";
        assert_eq!(url(&webhook).len(), LONGEST);
    }
}
