//! The questions that senders ask before they send: is this really yours?

use super::signature::any_equal;
use super::{Method, Reply, Secrets, Webhook};

/// The longest challenge that is given back.
const MAX_CHALLENGE: usize = 128;

/// Answers Meta's `hub.challenge`; `None` when the request is not a GET.
///
/// The challenge comes back verbatim when the mode is `subscribe` and the token is one of `verify_tokens`; every other
/// GET gets 403 and nothing else. Meta documents a number; any `[A-Za-z0-9_.-]+` is let through and nothing that a browser
/// could take for HTML.
pub(super) fn hub_challenge(webhook: &Webhook, verify_tokens: &Secrets) -> Option<Reply> {
    if webhook.method != Method::Get {
        return None;
    }
    let asked = |name| webhook.query_value(name).unwrap_or_default();
    let (mode, token, challenge) = (asked("hub.mode"), asked("hub.verify_token"), asked("hub.challenge"));
    let wrong = if mode != "subscribe" {
        Some("its hub.mode is not `subscribe`: this is no question of Meta's")
    } else if token.is_empty() {
        Some("it has no hub.verify_token: type the one of this source at the sender")
    } else if !any_equal(verify_tokens, &token) {
        Some("its hub.verify_token is another than this source's: type the same one in both places")
    } else {
        let no_challenge = "its hub.challenge is missing, or more than 128 letters and digits";
        (!can_be_given_back(&challenge)).then_some(no_challenge)
    };
    Some(wrong.map_or_else(|| Reply::text(challenge), |why| Reply::empty(403).because(why)))
}

fn can_be_given_back(challenge: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=MAX_CHALLENGE).contains(&challenge.len()) && challenge.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;
    use crate::domain::event::SourceName;

    fn asked(method: Method, query: &str) -> Option<Reply> {
        let webhook = Webhook {
            source: SourceName::parse("meta").unwrap(),
            received: Timestamp::UNIX_EPOCH,
            request_id: String::new(),
            method,
            path: String::new(),
            path_token: None,
            query: query.to_owned(),
            headers: crate::providers::Headers::default(),
            body: Bytes::new(),
            packed: None,
        };
        hub_challenge(&webhook, &Secrets::new(vec!["new-token".into(), "old-token".into()]).unwrap())
    }

    #[test]
    fn the_challenge_comes_back_under_either_token() {
        for token in ["new-token", "old-token"] {
            let query = format!("hub.mode=subscribe&hub.challenge=99999999999&hub.verify_token={token}");
            assert_eq!(asked(Method::Get, &query), Some(Reply::text("99999999999")));
        }
    }

    #[test]
    fn names_may_come_percent_encoded() {
        let query = "hub%2Emode=subscribe&hub%2Echallenge=1_a.b-C&hub%2Everify_token=new%2Dtoken";
        assert_eq!(asked(Method::Get, query), Some(Reply::text("1_a.b-C")));
    }

    #[test]
    fn anything_else_is_forbidden_and_nothing_is_echoed() {
        let long = format!("hub.mode=subscribe&hub.verify_token=new-token&hub.challenge={}", "1".repeat(129));
        for query in [
            "",
            "hub.challenge=1&hub.verify_token=new-token",
            "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=new-token",
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=new-toke",
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
            "hub.mode=subscribe&hub.challenge=&hub.verify_token=new-token",
            "hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token=new-token",
            &long,
        ] {
            let reply = asked(Method::Get, query).unwrap();
            let why = reply.why.expect("it says why, to its owner");
            assert_eq!(reply, Reply::empty(403).because(why), "{query}");
        }
    }

    #[test]
    fn its_owner_is_told_what_is_wrong_with_a_question() {
        for (query, told) in [
            ("hub.challenge=1", "hub.mode"),
            ("hub.mode=subscribe&hub.challenge=1", "no hub.verify_token"),
            ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=geheim", "another"),
            ("hub.mode=subscribe&hub.verify_token=new-token", "hub.challenge"),
        ] {
            let why = asked(Method::Get, query).unwrap().why.unwrap();
            assert!(why.contains(told) && !why.contains("geheim") && !why.contains("new-token"), "{query}: {why}");
        }
    }

    #[test]
    fn a_webhook_is_no_question() {
        let query = "hub.mode=subscribe&hub.challenge=1&hub.verify_token=new-token";
        assert_eq!(asked(Method::Post, query), None);
    }
}
