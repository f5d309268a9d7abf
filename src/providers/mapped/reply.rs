//! What the sender is answered: when it asks whether the URL is ours, and when its webhook is kept.

use serde::Deserialize;
use serde_json::json;

use super::document;
use super::path::Path;
use super::value::Value;
use crate::providers::{self, Method, Secrets, Webhook, handshake};

/// The longest text that is given back.
const MAX_ECHO: usize = 200;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Reply {
    status: u16,
    #[serde(rename = "type")]
    media_type: String,
    body: String,
    /// Instead of the body: how many leads the webhook holds.
    counts: bool,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            status: 200,
            media_type: "application/json".to_owned(),
            body: r#"{"ok":true}"#.to_owned(),
            counts: false,
        }
    }
}

impl Reply {
    /// The answer as it is sent, for a webhook that holds what was `counted`.
    pub(super) fn reply(&self, counted: impl FnOnce() -> serde_json::Value) -> providers::Reply {
        if self.counts {
            return providers::Reply::json(counted().to_string());
        }
        let reply = providers::Reply::empty(self.status);
        if self.body.is_empty() {
            return reply;
        }
        providers::Reply { body: self.body.clone(), ..reply.header("content-type", &self.media_type) }
    }

    /// True when it could be sent: a success, for only that says to a sender that its webhook is kept.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A question that a sender asks before it sends. None of them is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Handshake {
    /// Meta's: a GET with `hub.challenge` and the verify token.
    HubChallenge,
    /// Any GET: is there somebody?
    GetOk,
    /// A POST of JSON with a text at `path`, which has to come back under the name `respond`.
    EchoJson {
        /// Where the text stands.
        path: Path,
        /// The name in the answer.
        respond: String,
    },
    /// A POST of JSON in which this stands at `path`; the answer has this `body`.
    MatchOk {
        /// Where to look.
        path: Path,
        /// What stands there.
        equals: String,
        /// What is answered, as plain text.
        #[serde(default)]
        body: String,
    },
}

impl Handshake {
    /// The answer, if `webhook` is this question.
    pub(super) fn answer(&self, webhook: &Webhook, verify_tokens: Option<&Secrets>) -> Option<providers::Reply> {
        match self {
            Self::HubChallenge => handshake::hub_challenge(webhook, verify_tokens?),
            Self::GetOk => (webhook.method == Method::Get).then(|| providers::Reply::json("{}")),
            Self::EchoJson { path, respond } => {
                let text = path.find(&posted(webhook)?)?.as_str().filter(|text| can_be_given_back(text))?.to_owned();
                Some(providers::Reply::json(json!({ respond: text }).to_string()))
            }
            Self::MatchOk { path, equals, body } => {
                let posted = posted(webhook)?;
                let found = path.find(&posted).and_then(document::word)?;
                let empty = || providers::Reply::empty(200);
                (found == *equals).then(|| if body.is_empty() { empty() } else { providers::Reply::text(body) })
            }
        }
    }

    /// True when it comes as a GET.
    pub(super) fn is_get(&self) -> bool {
        match self {
            Self::HubChallenge | Self::GetOk => true,
            Self::EchoJson { .. } | Self::MatchOk { .. } => false,
        }
    }

    /// True when it needs a verify token.
    pub(super) fn needs_token(&self) -> bool {
        matches!(self, Self::HubChallenge)
    }
}

/// The JSON of a question, which is short.
fn posted(webhook: &Webhook) -> Option<Value<'_>> {
    let short = webhook.method == Method::Post && webhook.body.len() <= 4096;
    short.then(|| serde_json::from_slice(&webhook.body).ok()).flatten()
}

/// What is printable and short is given back, as JSON.
fn can_be_given_back(text: &str) -> bool {
    (1..=MAX_ECHO).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;
    use crate::domain::event::SourceName;

    fn asked(handshake: &str, method: Method, body: &str) -> Option<(u16, String)> {
        let webhook = Webhook {
            source: SourceName::parse("x").unwrap(),
            received: Timestamp::UNIX_EPOCH,
            request_id: String::new(),
            method,
            path: String::new(),
            path_token: None,
            query: String::new(),
            headers: providers::Headers::default(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            packed: None,
        };
        let handshake: Handshake = toml::from_str(handshake).unwrap();
        handshake.answer(&webhook, None).map(|reply| (reply.status, reply.body))
    }

    #[test]
    fn a_question_is_answered_and_a_webhook_is_none() {
        let echo = "kind = 'echo_json'\npath = 'verify_info'\nrespond = 'verify_info'";
        let ok = |body: &str| Some((200, body.to_owned()));
        assert_eq!(asked(echo, Method::Post, r#"{"verify_info":"a<b"}"#), ok(r#"{"verify_info":"a<b"}"#));
        for other in [r#"{"verify_info":""}"#, r#"{"verify_info":"ä"}"#, r#"{"verify_info":1}"#, "x", "{}"] {
            assert_eq!(asked(echo, Method::Post, other), None, "{other}");
        }
        let long = format!(r#"{{"verify_info":"{}"}}"#, "a".repeat(201));
        assert_eq!(asked(echo, Method::Post, &long), None);
        let start = "kind = 'match_ok'\npath = 'payload.type'\nequals = 'sandbox-start'";
        assert_eq!(asked(start, Method::Post, r#"{"payload":{"type":"sandbox-start"}}"#), ok(""));
        assert_eq!(asked(start, Method::Post, r#"{"payload":{"type":"text"}}"#), None);
        assert_eq!(asked(start, Method::Get, r#"{"payload":{"type":"sandbox-start"}}"#), None);
        assert_eq!(asked("kind = 'get_ok'", Method::Get, ""), ok("{}"));
        assert_eq!(asked("kind = 'get_ok'", Method::Post, "{}"), None);
        assert_eq!(asked("kind = 'hub_challenge'", Method::Get, ""), None, "without a verify token nobody is answered");
    }
}
