//! Who may use the private listener.

use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::fault::Fault;
use super::routes::Act;
use crate::loopback::is_this_machine;

/// Who may use the admin API. Health is for everybody who reaches the listener, and so are the metrics where there is a
/// token: monitors rarely have one, and there is nothing personal in them.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever is on this machine, but not the pages that their browser shows: those can send requests to loopback
    /// addresses, under a name of their own (DNS rebinding) or across sites.
    Loopback,
    /// Whoever has the token.
    Token(SecretString),
}

impl Access {
    /// Lets a request in, or says why not.
    pub(super) fn check(&self, act: Act, headers: &HeaderMap) -> Result<(), Fault> {
        match (self, act) {
            (_, Act::Health | Act::Ready) | (Self::Token(_), Act::Metrics) => Ok(()),
            (Self::Token(token), _) if has_token(headers, token) => Ok(()),
            (Self::Token(_), _) => Err(Fault::Token),
            (Self::Loopback, _) if is_local(headers) => Ok(()),
            (Self::Loopback, _) => Err(Fault::Stranger),
        }
    }
}

/// Compares digests, so that the time taken tells neither letters nor length.
fn has_token(headers: &HeaderMap, token: &SecretString) -> bool {
    let given = text(headers, &AUTHORIZATION).and_then(|value| {
        let (scheme, given) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
    });
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    given.is_some_and(|given| digest(given).ct_eq(&digest(token.expose_secret())).into())
}

/// True when the request was made for this machine by its name, and by no page of another site.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, &HOST) else { return false };
    let ours = format!("http://{host}");
    let same_site = !headers.contains_key(ORIGIN) || text(headers, &ORIGIN) == Some(&ours);
    same_site && Url::parse(&ours).is_ok_and(|url| is_this_machine(&url))
}

/// The text of a header that is there once.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        pairs.iter().for_each(|(name, value)| headers.append(name.clone(), HeaderValue::from_static(value)));
        headers
    }

    #[test]
    fn a_token_lets_in_and_nothing_like_it_does() {
        let access = Access::Token("geheim".to_owned().into());
        let check = |values: &[&'static str]| {
            let pairs: Vec<_> = values.iter().map(|value| (AUTHORIZATION, *value)).collect();
            access.check(Act::Stats, &headers(&pairs)).is_ok()
        };
        assert!(check(&["Bearer geheim"]) && check(&["bearer  geheim"]));
        for wrong in [
            &[][..],
            &["geheim"],
            &["Bearer"],
            &["Bearer "],
            &["Bearer geheimx"],
            &["Bearer geheiM"],
            &["Basic geheim"],
        ] {
            assert!(!check(wrong), "{wrong:?}");
        }
        assert!(!check(&["Bearer geheim", "Bearer x"]), "two tokens are none");
        assert!(access.check(Act::Health, &headers(&[])).is_ok() && access.check(Act::Metrics, &headers(&[])).is_ok());
    }

    #[test]
    fn without_a_token_only_this_machine_is_let_in() {
        let check = |pairs: &[_]| Access::Loopback.check(Act::Pause, &headers(pairs)).is_ok();
        for host in ["127.0.0.1:8081", "localhost", "localhost:1", "[::1]:8081", "127.8.8.8"] {
            assert!(check(&[(HOST, host)]), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[::2]"] {
            assert!(!check(&[(HOST, host)]), "{host}");
        }
        assert!(!check(&[]), "a request for nobody");
    }

    #[test]
    fn a_page_of_another_site_is_not_let_in() {
        let check = |origin| {
            let pairs = [(HOST, "localhost:8081"), (ORIGIN, origin)];
            Access::Loopback.check(Act::Replay, &headers(&pairs)).is_ok()
        };
        assert!(check("http://localhost:8081"));
        for origin in ["http://evil.example", "null", "http://localhost:3000", "https://localhost:8081", ""] {
            assert!(!check(origin), "{origin}");
        }
    }
}
